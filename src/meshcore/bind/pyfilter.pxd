# Python filters: what stands behind the filter ABI when the filter is a Python object.
from meshcore.conf.tables cimport ListenerConf
from meshcore.filter.http cimport HttpFilterOps
from meshcore.run.worker cimport Worker

# The operations and settings of a spec.HttpFilter of kind "python"; `keep` gets what must live as long as the table.
cdef const HttpFilterOps *python_filter(object spec, list keep, void **settings) except NULL
cdef void keep_alive(ListenerConf *conf, list keep)                # until the table is freed, on whatever thread that is
cdef int pyfilter_attach(Worker *worker) except -1
cdef void pyfilter_detach(Worker *worker) noexcept
