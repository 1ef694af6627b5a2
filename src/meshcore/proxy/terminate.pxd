# Requests whose body ends here: a CONNECT, or a POST in its place, towards an upstream that is spoken to without HTTP.
from meshcore.base.span cimport span, span_is
from meshcore.proxy.objects cimport STREAM_CONNECT, Stream

cdef inline bint stream_terminates(const Stream *stream) noexcept nogil:
    # As its route's connect_config says; a route may serve plain requests as well.
    if not stream.http.route.connect_terminate:
        return False
    if stream.bits & STREAM_CONNECT:
        return True
    return stream.http.route.connect_allow_post and span_is(stream.request.method, b"POST", 4)
