# Labels of a host: what its metadata says below `envoy.lb`, compared as JSON text.
#
# Owns nothing: the text is the host's, written by bind/ with sorted keys and no blanks, so equal values are equal bytes. Any thread. Reads a few
# hundred bytes and is meant for the slow path (another try).
from meshcore.base.span cimport Span

cdef struct Label:
    Span key                       # JSON, with its quotes
    Span value                     # JSON

# Whether the envoy.lb part of `metadata` holds all of them; a list holds each of its items.
cdef bint labels_hold(Span metadata, const Label *labels, size_t n) noexcept nogil
