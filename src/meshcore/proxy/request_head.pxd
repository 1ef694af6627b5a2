# What the HTTP connection manager does to a request head before the filters see it. Worker thread.
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.proxy.objects cimport Stream

cdef bint request_head_prepare(Stream *stream) noexcept nogil       # False: the stream has been answered
cdef void append_via(Head *head, Span via) noexcept nogil              # RFC 9110, 7.6.3
