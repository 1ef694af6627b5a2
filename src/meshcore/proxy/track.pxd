# Track: what requests add to the histograms of a cluster that asks for them (conf/tracking). Worker thread.
#
# The router and attempts call these, and only when the cluster has `tracking`. Percents and sizes are Envoy's: a timeout that does not exist
# is never used up, a head is the bytes of its names and values, pseudo-headers included.
from meshcore.codec.head cimport Head
from meshcore.proxy.objects cimport Attempt, Stream

cdef void track_head(Attempt *attempt, Head *answer) noexcept nogil           # as it came, interim ones too
cdef void track_try(Attempt *attempt) noexcept nogil                          # it is over
cdef void track_request(Stream *stream) noexcept nogil                        # answered, or out of time
