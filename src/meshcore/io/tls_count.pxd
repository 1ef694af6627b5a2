# Statistics of TLS handshakes: <prefix>.ssl.*. Worker thread.
from meshcore.io.tls cimport Tls

cdef void tls_count_handshake(Tls *tls) noexcept nogil         # one that succeeded
