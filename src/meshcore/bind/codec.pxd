# What the Python faces of the codecs share: heads as tuples of bytes, and which texts may stand in one. With the GIL.
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head

cdef bytes take_bytes(Span s)
cdef tuple take_headers(Head *head)                       # (name, value), those that were not dropped
cdef check_token(what, name)                              # these raise ValueError
cdef check_text(what, value)
cdef check_target(what, value)
