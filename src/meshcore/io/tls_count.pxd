# Statistics of TLS handshakes: <prefix>.ssl.*. Worker thread.
from meshcore.io.tls cimport Tls

cdef void tls_count_handshake(Tls *tls) noexcept nogil         # one that succeeded
cdef const char *tls_group_name(long nid) noexcept nogil     # as logs print it; NULL: none was settled
