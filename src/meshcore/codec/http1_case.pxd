# Names as they came: the letter case of a message's field names, remembered when it is read and given back when it goes on
# (preserve_case). Only for heads whose codec was told to; any other head has `raw` NULL. Any thread; owns nothing but a copy of the block
# in the head's arena, which ends with it.
from meshcore.codec.head cimport Head
from meshcore.codec.http1 cimport Http1Options

# `at`: the block as it came; `copy`: the one that the head's names point into. False: no memory.
cdef bint http1_case_keep(Head *head, const Http1Options *options, const char *at, size_t n, const char *copy) noexcept nogil
cdef void http1_case_unify(Head *head) noexcept nogil      # once the fields are in the head: repeated names are written as the first was
# Writes a name as it came; one that did not come is written in lower case, or in proper case if the head says so.
cdef char *http1_case_put(Head *head, const char *name, size_t n, char *out) noexcept nogil
cdef char *http1_proper_put(const char *name, size_t n, char *out) noexcept nogil
