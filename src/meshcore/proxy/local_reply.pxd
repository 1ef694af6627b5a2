# Local replies: what the proxy answers itself, and what local_reply_config makes of it. Worker thread.
from meshcore.base.span cimport Span
from meshcore.filter.http cimport LocalReply
from meshcore.proxy.objects cimport Stream

cdef Span local_reply_fill(Stream *stream, const LocalReply *reply) noexcept nogil     # fills stream.response; the body to send
