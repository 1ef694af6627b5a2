"""Thrift retries. See thrift_retry.pxd for the law."""
from meshcore.base.span cimport span
from meshcore.base.span_order cimport span_order
from meshcore.codec.thrift_message cimport thrift_name_split


cdef bint has(const ThriftRetry *retry, Span name) noexcept nogil:
    cdef uint32_t low = 0
    cdef uint32_t high = retry.names_len
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if span_order(retry.names[middle], name) < 0:
            low = middle + 1
        else:
            high = middle
    return low < retry.names_len and span_order(retry.names[low], name) == 0


cdef bint thrift_retry_allows(const ThriftRetry *retry, Span name) noexcept nogil:
    cdef Span service
    cdef Span method
    if has(retry, name):
        return True
    thrift_name_split(name, &service, &method)
    return service.len > 0 and has(retry, span(service.at, service.len + 1))
