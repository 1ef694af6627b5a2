# Values that come out of message heads: headers, path, query, gRPC status, x-forwarded-client-cert. Same law as value.pxd.
from libc.stdint cimport uint64_t

from meshcore.observe.operator cimport Operator, Value
from meshcore.observe.record cimport Record

cdef void header_value_of(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil
cdef uint64_t header_bytes(const Operator *op, Record *record) noexcept nogil
cdef void path_value(const Operator *op, Record *record, Value *out) noexcept nogil
cdef void query_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil
cdef void query_parameter(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil
cdef void grpc_status_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil
cdef void xfcc_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil
