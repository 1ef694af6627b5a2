# Mirroring: a copy of a request goes to another cluster, and nobody waits for what it answers.
#
# A mirrored request is a stream without a client (own_stream) and without retries. The stream that it copies hands it each piece of body; it
# never slows that stream down: one that lags behind by more than the buffer limit is given up. Called by the router and by own_stream, on the
# worker. It ends with its answer, its timeout, a failure, or when the client leaves before its request is complete.
from libc.stdint cimport uint16_t

from meshcore.base.span cimport Span
from meshcore.proxy.objects cimport Stream
from meshcore.route.table cimport MirrorPolicy

# By the mirror policies of its route or cluster, after the head was rewritten.
cdef void mirror_start(Stream *stream, const MirrorPolicy *policies, uint16_t n, bint end) noexcept nogil
cdef void mirror_data(Stream *stream, Span data, bint end) noexcept nogil
cdef void mirror_trailers(Stream *stream) noexcept nogil
cdef void mirror_let_go(Stream *stream) noexcept nogil                        # the copied stream ends
cdef void mirror_forget(Stream *shadow) noexcept nogil                        # it has ended: the copied stream has nothing more for it
