# Visit: one Python filter's dealings with one stream, and the worker's desk where parked visits are kept. Structs only: pyfilter.pyx fills them
# on the worker's thread, pyview.pyx reads heads through them.
#
# A visit lies in its stream's arena and is touched with the GIL held, or by the worker's thread while no view of it is out. A parked view may be
# on another thread: it reads through `Visit` under the GIL, and the worker takes `Visit` away from it, under the GIL, before the stream's memory
# goes. What comes back from other threads names a visit by (slot, generation) only.
from cpython.ref cimport PyObject
from libc.stdint cimport uint32_t

from meshcore.codec.head cimport Header
from meshcore.filter.http cimport Batch, BatchItem, LocalReply
from meshcore.run.worker cimport Worker

cdef enum Hook:
    # mesh.filters.load has the same numbers
    HOOK_REQUEST = 1
    HOOK_RESPONSE = 2
    HOOK_LOG = 4
    HOOK_REQUEST_PARKS = 8
    HOOK_RESPONSE_PARKS = 16

cdef struct Settings:
    # One configured filter; the table keeps the objects alive.
    PyObject *filter
    PyObject *on_request           # bound methods; NULL: the class has no such hook
    PyObject *on_response
    PyObject *on_log
    PyObject *runner               # NULL: no hook parks
    uint32_t hooks                 # Hook bits

cdef struct Visit:
    BatchItem item                 # must be first
    Batch *batch                   # the list that `item` is in; NULL: none
    Settings *settings
    Desk *desk
    PyObject *view                 # the view that a parked hook holds (a reference); NULL: none
    Header *headers                # of the response that a parked hook was shown
    uint32_t slot                  # in the park table; 0 = not parked
    bint response                  # which direction stands still
    bint replied                   # this filter has answered: its own reply does not come back to it
    LocalReply reply

cdef struct Park:
    # Handles of the parked visits of one worker. Slot 0 is never used.
    Visit **visits
    uint32_t *generations          # of each slot, counted up when it is given back
    uint32_t *next                 # free slots, linked
    uint32_t free                  # 0 = none
    uint32_t cap

cdef struct Desk:
    # What one worker keeps for Python filters; Batch.owner.
    Worker *worker
    Park park
    Batch ready                    # decided, waiting for the GIL to be given back
