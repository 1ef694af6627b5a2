# Where another try may go: hosts that a retry policy refuses, and priorities that earlier tries have used up.
#
# attempt.pyx asks before each choice and tells which host it was, for streams with such a policy or with hedged tries; the others never come
# here. Worker thread; what it remembers is in the stream's arena. It only compares the hosts of earlier tries, which may be gone.
from libc.stdint cimport uint32_t

from meshcore.cluster.balancer cimport Pick
from meshcore.cluster.host cimport Host
from meshcore.proxy.objects cimport Stream

cdef inline bint reselects(Stream *stream) noexcept nogil:
    return stream.http.route.hedge != NULL or (stream.retry != NULL and stream.retry.reselects)

cdef void reselect_prepare(Stream *stream, Pick *pick, bint extra) noexcept nogil
cdef void reselect_note(Stream *stream, Host *host, uint32_t priority) noexcept nogil
