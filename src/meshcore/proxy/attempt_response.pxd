# What the upstream of an attempt answers: a 1xx, the head, data, the end.
#
# Upstream connections call these, on the worker. The head decides whether another try follows; after it went on there is none. response_over
# is charged before the last byte goes downstream, because that ends the stream.
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.proxy.objects cimport Attempt

cdef void attempt_interim(Attempt *attempt, Head *head) noexcept nogil
cdef void attempt_response_head(Attempt *attempt, bint end) noexcept nogil    # stream.response is filled
cdef void attempt_response_data(Attempt *attempt, Span data, bint end) noexcept nogil
cdef void attempt_response_trailers(Attempt *attempt) noexcept nogil
