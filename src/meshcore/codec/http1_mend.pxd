# HTTP/1 start lines that Envoy reads and picohttpparser does not, made into ones that both read.
#
# Called by http1_parse with a complete head that the parser has refused; whatever else is wrong with it is refused again. Any thread;
# owns nothing but the copy it makes in the head's arena.
from meshcore.base.arena cimport Arena

# A copy of the block with its start line mended, `len` bytes; NULL when there is nothing to mend, or no memory.
cdef char *http1_mend_request(Arena *arena, const char *at, size_t n, size_t *len) noexcept nogil
cdef char *http1_mend_response(Arena *arena, const char *at, size_t n, size_t *len) noexcept nogil
