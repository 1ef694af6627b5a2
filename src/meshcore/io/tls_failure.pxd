# Why a handshake or a record failed, in Envoy's words: what %DOWNSTREAM_TRANSPORT_FAILURE_REASON% and its upstream sister print. Worker thread.
from meshcore.io.tls cimport Tls

cdef void tls_failure_text(Tls *tls) noexcept nogil            # takes the thread's queue of errors, counts, and keeps the first text
