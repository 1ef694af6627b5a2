# Compiles the filters and retries of Thrift proxies (bind/thrift_spec.py) into a listener's arena. Main thread, with the GIL.
from libc.stdint cimport uint8_t, uint32_t

from meshcore.base.arena cimport Arena
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.filter.thrift_metadata cimport ThriftFilter
from meshcore.route.regex cimport Regex
from meshcore.route.thrift_retry cimport ThriftRetry

cdef ThriftFilter *compile_thrift_filters(Arena *arena, Regex **regexes, RuntimeCells cells, dict cluster_index, object specs,
                                          uint32_t *n) except? NULL
cdef const ThriftRetry *compile_thrift_retry(Arena *arena, object spec) except? NULL           # NULL: there is none
cdef uint8_t thrift_transport_of(str name) except? 255                                          # of its name in a plan; `auto` is one
cdef uint8_t thrift_protocol_of(str name) except? 255
