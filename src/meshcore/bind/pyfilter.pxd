# Python filters: what stands behind the filter ABI when the filter is a Python object.
from meshcore.base.arena cimport Arena
from meshcore.filter.http cimport HttpFilterOps
from meshcore.run.worker cimport Worker

# The operations and settings of a spec.HttpFilter of kind "python"; the settings keep a reference to the filter object.
cdef const HttpFilterOps *python_filter(Arena *arena, object spec, void **settings) except NULL
cdef void pyfilter_attach(Worker *worker) noexcept
cdef void pyfilter_detach(Worker *worker) noexcept
