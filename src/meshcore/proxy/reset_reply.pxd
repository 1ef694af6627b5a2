# The words for a try that was reset: reason, response flag, details and the body of the local reply, as Envoy spells them.
#
# Called by failure.pyx and the router, on the worker. The texts live in the stream's arena.
from libc.stdint cimport uint8_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.proxy.objects cimport Stream

cdef Span reason_text(uint8_t reason) noexcept nogil                          # of a ResetReason
cdef uint64_t reason_flag(uint8_t reason) noexcept nogil
cdef Span join(Stream *stream, Span a, Span b, Span c, Span d) noexcept nogil
cdef Span reset_details(Stream *stream, Span prefix, Span reason, Span failure) noexcept nogil
cdef void reply_reset(Stream *stream, uint8_t reason, Span failure, bint interim) noexcept nogil      # interim: a 1xx went out before
