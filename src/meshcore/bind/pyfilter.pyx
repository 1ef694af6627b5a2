"""Python filters (first landing: refused)."""


cdef const HttpFilterOps *python_filter(Arena *arena, object spec, void **settings) except NULL:
    raise ValueError(f"HTTP filter {spec.name!r}: Python filters are not available")


cdef void pyfilter_attach(Worker *worker) noexcept:
    pass


cdef void pyfilter_detach(Worker *worker) noexcept:
    pass
