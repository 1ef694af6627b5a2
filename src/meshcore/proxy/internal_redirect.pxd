# Internal redirects: a redirect of the upstream is followed here instead of being passed on.
#
# attempt_response.pyx asks for each response of a route with such a policy, on the worker. When it is followed, the stream ends as if it had
# been answered (details `internal_redirect`), and a new stream on the same connection runs the changed request through filters and routing.
# When it is not, the counters passthrough_internal_redirect_* say why, and the response goes to the client.
from meshcore.proxy.objects cimport Attempt, Stream

cdef bint internal_redirect(Stream *stream, Attempt *attempt, bint end) noexcept nogil        # True: both have ended
