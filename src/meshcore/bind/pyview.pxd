# Views: what a Python filter sees of a stream. See pyview.pyx for how long one is valid and which thread may use it.
from libc.stdint cimport uint32_t

from meshcore.base.span cimport Span
from meshcore.bind.pyvisit cimport Desk, Visit
from meshcore.codec.head cimport Head
from meshcore.filter.http cimport HttpStream

cdef class View:
    cdef Visit *visit              # NULL: the stream has gone, or the hook has returned
    cdef Head *head                # NULL: not valid any more, or answered
    cdef Desk *desk                # parked views: where the answer goes
    cdef bint parked
    cdef uint32_t slot
    cdef uint32_t generation
    cdef list changes              # of a parked view, made when it returns
    cdef readonly object hook      # parked views: the coroutine function to call with this view
    cdef readonly object result    # what the hook has ended with
    cdef public object task        # what the runner wants back when the stream goes first

    cdef Head *valid(self) except NULL
    cdef int note(self, str what, str name, str value) except -1
    cdef int change(self, str what, str name, str value) except -1

cdef class Request(View):
    pass

cdef class Response(View):
    pass

cdef class Exchange(View):
    cdef HttpStream *stream(self) except NULL
    cdef object header_of(self, Head *head, str name, default)

cdef int view_apply(View view, Visit *visit) except -1              # makes the changes of a parked view, on the worker's thread
cdef Span keep_text(Visit *visit, str text) except *                # latin-1, in the stream's arena
cdef Span keep_name(Visit *visit, str name) except *                # lower case; ValueError for what is not a header name
cdef Span keep_value(Visit *visit, str name, str value) except *    # ValueError for a line break or a NUL
