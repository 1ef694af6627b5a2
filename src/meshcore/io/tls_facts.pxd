# What a handshake settled, read out of OpenSSL for TlsFacts. Worker thread; the facts of a connection end with it, unless somebody holds them.
from meshcore.io.tls cimport Tls
from meshcore.observe.tls_facts cimport TlsFacts

cdef TlsFacts *facts_new(Tls *tls) noexcept nogil              # NULL: no memory
cdef void facts_leave(TlsFacts *facts) noexcept nogil          # the connection goes: a last chance to work them out, if they are held
