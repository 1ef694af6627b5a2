# Thrift retries, an extension of mesh: which calls may be made again when their host fails them.
#
# A Thrift call says nothing of what it does, so only the methods that the configuration names are taken for idempotent. Immutable, in a
# listener's table. Any thread.
from libc.stdint cimport uint32_t

from meshcore.base.span cimport Span

cdef struct ThriftRetry:
    Span *names                    # sorted by their bytes: methods as they are called; a service, with its colon, is all of its methods
    uint32_t names_len
    uint32_t most                  # tries after the first

cdef bint thrift_retry_allows(const ThriftRetry *retry, Span name) noexcept nogil
