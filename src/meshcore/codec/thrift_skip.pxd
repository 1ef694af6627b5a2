# Thrift: passing over values without events, as fast as memory allows. The law of the codec is in thrift.pxd.
#
# Works on a reader that thrift_read_next drives too: a filter reads the fields it wants and skips the others, in any pieces of input.
# What thrift_read_next would refuse is refused here, with the same error.
from meshcore.codec.thrift_read cimport ThriftReader

# What comes next: after an event FIELD its value; in a container the next element; before the first event the whole value. Answers
# THRIFT_MORE until the value has been passed (call again, with nothing in between), then THRIFT_OK; or THRIFT_ERROR.
cdef int thrift_skip(ThriftReader *reader, const char **at, const char *end) noexcept nogil
# The rest of the struct or container that is open, with its end.
cdef int thrift_skip_out(ThriftReader *reader, const char **at, const char *end) noexcept nogil
