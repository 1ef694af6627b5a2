# TLVs of a PROXY header: what stays of them with the connection. Those that hosts get again, as they came; and, by a listener filter's rules,
# values in dynamic metadata or in one map of filter state. Worker thread; what is kept ends with the Arrival or its connection.
from meshcore.base.span cimport Span
from meshcore.conf.tables cimport ListenerFilter
from meshcore.proxy.objects cimport Arrival

cdef bint proxy_tlvs_keep(Arrival *arrival, const ListenerFilter *filter, Span rest) noexcept nogil    # False: no memory
