# picohttpparser as the codec sees it: its header struct and the types of its three functions. Declarations only.
#
# The functions' addresses come from the cffi module (http1_parse takes them at import), so nothing here is linked.
cdef extern from *:
    """
    #ifndef MESH_HTTP1_PICOHTTP
    #define MESH_HTTP1_PICOHTTP
    #include <stddef.h>
    struct phr_header { const char *name; size_t name_len; const char *value; size_t value_len; };
    typedef int (*phr_request_fn)(const char *, size_t, const char **, size_t *, const char **, size_t *, int *,
                                  struct phr_header *, size_t *, size_t);
    typedef int (*phr_response_fn)(const char *, size_t, int *, int *, const char **, size_t *, struct phr_header *, size_t *,
                                   size_t);
    typedef int (*phr_headers_fn)(const char *, size_t, struct phr_header *, size_t *, size_t);
    #endif
    """
    struct phr_header:
        const char *name           # NULL: the line continues the one before (obs-fold)
        size_t name_len
        const char *value
        size_t value_len
    ctypedef int (*phr_request_fn)(const char *, size_t, const char **, size_t *, const char **, size_t *, int *, phr_header *,
                                   size_t *, size_t) noexcept nogil
    ctypedef int (*phr_response_fn)(const char *, size_t, int *, int *, const char **, size_t *, phr_header *, size_t *,
                                    size_t) noexcept nogil
    ctypedef int (*phr_headers_fn)(const char *, size_t, phr_header *, size_t *, size_t) noexcept nogil
