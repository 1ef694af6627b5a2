# x-forwarded-client-cert of a request: what is kept of it, and what is said of the client's own certificate. Worker thread.
from meshcore.proxy.objects cimport Stream

cdef void client_cert_forward(Stream *stream) noexcept nogil
