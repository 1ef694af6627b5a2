# Value: what one Operator gives for one Record. Any worker; reads only, composes in `scratch` (SCRATCH bytes) when it must.
from meshcore.observe.operator cimport Operator, Value
from meshcore.observe.record cimport Record

cdef void operator_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil
