# Cookies of a request, by name. The first of that name counts, without the quotes around its value; a span into the head. Any thread.
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head

cdef Span cookie_of(Head *request, Span name) noexcept nogil                  # empty: it has none, or one that is empty
