"""Python filters behind the filter ABI: gathering, one acquisition of the GIL per loop iteration, parking, and the way back.

A hook (no GIL) enters its stream into the worker's batch and stops the chain. At the end of the iteration `run_batch` takes the GIL once,
calls the synchronous hooks on views of the native heads, hands coroutine hooks to their runner (an asyncio loop, or the admin's thread), and
gives the GIL back; then the streams go on. A parked stream is known to the other thread by a handle (slot, generation) only: when it comes back
through the mailbox and its stream is gone, nothing happens. Native heads are changed on the worker's thread only: a parked view records its
changes, and they are applied when it returns.
"""
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset

from meshcore.base.arena cimport arena_copy, arena_take
from meshcore.base.span cimport Span, lower, span
from meshcore.codec.head cimport *
from meshcore.filter.batch cimport batch_enter, batch_init, batch_leave
from meshcore.filter.http cimport *
from meshcore.observe.record cimport ADDRESS_TEXT, address_write
from meshcore.proxy.objects cimport Engine
from meshcore.run.mailbox cimport ORDER_RESUME, Message
from meshcore.run.worker cimport worker_post

import logging

cdef extern from "Python.h":
    object PyUnicode_DecodeLatin1(const char *at, Py_ssize_t n, const char *errors)

cdef enum Phase:
    PHASE_REQUEST                  # call on_request
    PHASE_RESPONSE                 # call on_response
    PHASE_LOG                      # call on_log
    PHASE_RETURNED                 # a parked hook has answered: apply
    PHASE_GONE                     # the stream ended while parked: tell the view
    PHASE_RESUME                   # second pass, without the GIL: go on
    PHASE_REPLY                    # second pass: answer with `reply`

cdef enum Hook:
    HOOK_REQUEST = 1
    HOOK_RESPONSE = 2
    HOOK_LOG = 4
    HOOK_REQUEST_ASYNC = 8
    HOOK_RESPONSE_ASYNC = 16

cdef struct Settings:
    PyObject *filter               # kept alive by the table
    PyObject *runner               # NULL: no coroutine hook
    uint32_t hooks                 # Hook bits

cdef struct Visit:
    # One filter's dealings with one stream; in the stream's arena.
    BatchItem item                 # must be first
    Batch *batch                   # the list that `item` is in
    Settings *settings
    uint32_t slot                  # in the park table; 0 = not parked
    bint response                  # which direction stands still
    PyObject *view                 # the view that a parked hook holds (a reference)
    LocalReply reply

cdef struct Park:
    # Handles of parked visits of one worker: slot and generation, checked on return.
    Visit **visits
    uint32_t *generations
    uint32_t cap
    uint32_t free                  # 0 = none; else the next free slot (linked through generations' twin below)
    uint32_t *next

cdef struct Bureau:
    # One worker's own values for Python filters; Batch.owner.
    Worker *worker
    Park park
    Batch ready                    # decided, waiting for the second pass

log = logging.getLogger("mesh.filter")


# --- the park table -------------------------------------------------------------------------------------------------


cdef uint32_t park_take(Park *park, Visit *visit) noexcept nogil:
    cdef uint32_t cap
    cdef uint32_t i
    if park.free == 0:
        cap = 64 if park.cap == 0 else park.cap * 2
        park.visits = <Visit **>realloc(park.visits, cap * sizeof(Visit *))
        park.generations = <uint32_t *>realloc(park.generations, cap * sizeof(uint32_t))
        park.next = <uint32_t *>realloc(park.next, cap * sizeof(uint32_t))
        for i in range(park.cap if park.cap > 0 else 1, cap):
            park.generations[i] = 0
            park.next[i] = i + 1 if i + 1 < cap else 0
        park.free = park.cap if park.cap > 0 else 1
        park.cap = cap
    i = park.free
    park.free = park.next[i]
    park.visits[i] = visit
    return i


cdef void park_give(Park *park, uint32_t slot) noexcept nogil:
    park.generations[slot] += 1
    park.visits[slot] = NULL
    park.next[slot] = park.free
    park.free = slot


# --- hooks, without the GIL -----------------------------------------------------------------------------------------


cdef Visit *visit_of(HttpStream *stream, uint8_t n) noexcept nogil:
    cdef Visit *visit = <Visit *>stream.state[n]
    if visit == NULL:
        visit = <Visit *>arena_take(stream.arena, sizeof(Visit))
        if visit == NULL:
            return NULL
        memset(visit, 0, sizeof(Visit))
        visit.item.stream = stream
        visit.item.n = n
        visit.settings = <Settings *>stream.settings[n]
        stream.state[n] = visit
    return visit


cdef void enter(Batch *batch, Visit *visit, uint8_t phase) noexcept nogil:
    if visit.batch != NULL:
        batch_leave(visit.batch, &visit.item)
    visit.item.phase = phase
    visit.batch = batch
    batch_enter(batch, &visit.item)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef Visit *visit = visit_of(stream, n)
    if visit == NULL or visit.settings.hooks & HOOK_REQUEST == 0:
        return FILTER_CONTINUE
    visit.response = False
    enter(stream.batch, visit, PHASE_REQUEST)
    return FILTER_STOP


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef Visit *visit = visit_of(stream, n)
    if visit == NULL or visit.settings.hooks & HOOK_RESPONSE == 0:
        return FILTER_CONTINUE
    visit.response = True
    drop_parked(stream, visit)
    enter(stream.batch, visit, PHASE_RESPONSE)
    return FILTER_STOP


cdef void drop_parked(HttpStream *stream, Visit *visit) noexcept nogil:
    # The request hook is still out, and its answer is no longer wanted (a timeout answered first): its handle becomes invalid.
    cdef Bureau *bureau = <Bureau *>stream.batch.owner
    if visit.slot != 0:
        park_give(&bureau.park, visit.slot)
        visit.slot = 0


cdef void on_log(HttpStream *stream, uint8_t n) noexcept nogil:
    cdef Visit *visit = visit_of(stream, n)
    if visit == NULL or visit.settings.hooks & HOOK_LOG == 0:
        return
    drop_parked(stream, visit)
    enter(stream.batch, visit, PHASE_LOG)


cdef void on_destroy(HttpStream *stream, uint8_t n) noexcept nogil:
    # The batch runs once more before the stream's memory goes: views learn there that it is gone.
    cdef Visit *visit = <Visit *>stream.state[n]
    if visit == NULL:
        return
    drop_parked(stream, visit)
    if visit.item.link != NULL and visit.item.phase == PHASE_LOG:
        return
    if visit.batch != NULL:
        batch_leave(visit.batch, &visit.item)
    if visit.view != NULL:
        enter(stream.batch, visit, PHASE_GONE)


cdef HttpFilterOps ops
ops.kind = b"python"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = on_log
ops.on_destroy = on_destroy


# --- the batch ------------------------------------------------------------------------------------------------------


cdef void run_batch(Batch *batch) noexcept nogil:
    cdef Bureau *bureau = <Bureau *>batch.owner
    with gil:
        call_hooks(bureau, batch)
    go_on(bureau)


cdef void call_hooks(Bureau *bureau, Batch *batch) noexcept:
    cdef Visit *visit
    cdef dict parked = None
    while batch.first != NULL:
        visit = <Visit *>batch.first
        batch_leave(batch, &visit.item)
        visit.batch = NULL
        try:
            parked = call_hook(bureau, visit, parked)
        except Exception:
            log.exception("a filter failed: %s", <object>visit.settings.filter)
            reply_error(bureau, visit)
    if parked is not None:
        for runner, views in parked.items():
            runner.submit(views)


cdef void reply_error(Bureau *bureau, Visit *visit) noexcept:
    # A filter that raises answers 500; what it was raised in stays in the process log.
    if visit.item.phase == PHASE_LOG or visit.item.phase == PHASE_GONE:
        return
    set_reply(visit, 500, b"", None, ())
    visit.reply.details = span(b"python_filter_error", 19)
    enter(&bureau.ready, visit, PHASE_REPLY)


cdef dict call_hook(Bureau *bureau, Visit *visit, dict parked):
    cdef uint8_t phase = visit.item.phase
    cdef object target = <object>visit.settings.filter
    cdef View view
    if phase == PHASE_REQUEST:
        view = Request.__new__(Request)
        view.head = visit.item.stream.request
        if visit.settings.hooks & HOOK_REQUEST_ASYNC:
            return park(bureau, visit, view, target.on_request, parked)
        view.visit = visit
        decide(bureau, visit, target.on_request(view))
        view.visit = NULL
    elif phase == PHASE_RESPONSE:
        view = Response.__new__(Response)
        view.head = visit.item.stream.response
        if visit.settings.hooks & HOOK_RESPONSE_ASYNC:
            return park(bureau, visit, view, target.on_response, parked)
        view.visit = visit
        decide(bureau, visit, target.on_response(view))
        view.visit = NULL
    elif phase == PHASE_LOG:
        forget_view(visit)
        view = Exchange.__new__(Exchange)
        view.visit = visit
        target.on_log(view)
        view.visit = NULL
    elif phase == PHASE_RETURNED:
        view = <View>visit.view
        apply_changes(view, visit)
        result = view.result
        forget_view(visit)
        if isinstance(result, BaseException):
            raise result
        decide(bureau, visit, result)
    elif phase == PHASE_GONE:
        forget_view(visit)
    return parked


cdef void forget_view(Visit *visit) noexcept:
    cdef View view
    if visit.view != NULL:
        view = <View>visit.view
        visit.view = NULL
        view.visit = NULL
        view.head = NULL
        if view.task is not None:
            view.task()
        Py_DECREF(view)


cdef dict park(Bureau *bureau, Visit *visit, View view, hook, dict parked):
    # The view lives on another thread from here; this worker keeps one reference to it, and a handle in the park table.
    forget_view(visit)
    visit.slot = park_take(&bureau.park, visit)
    view.visit = visit
    view.parked = True
    view.slot = visit.slot
    view.generation = bureau.park.generations[visit.slot]
    view.bureau = bureau
    view.hook = hook
    Py_INCREF(view)
    visit.view = <PyObject *>view
    runner = <object>visit.settings.runner
    if parked is None:
        parked = {}
    parked.setdefault(runner, []).append(view)
    return parked


cdef int decide(Bureau *bureau, Visit *visit, result) except -1:
    if result is None:
        enter(&bureau.ready, visit, PHASE_RESUME)
        return 0
    set_reply(visit, result.status, result.body, result.content_type, result.headers)
    enter(&bureau.ready, visit, PHASE_REPLY)
    return 0


cdef Span kept(Visit *visit, value) except *:
    cdef bytes raw = value if isinstance(value, bytes) else str(value).encode("latin-1")
    cdef char *copy = arena_copy(visit.item.stream.arena, raw, len(raw))
    if copy == NULL:
        raise MemoryError
    return span(copy, len(raw))


cdef int set_reply(Visit *visit, uint16_t status, body, content_type, headers) except -1:
    cdef Head *head
    visit.reply.status = status
    visit.reply.flag = 0
    visit.reply.body = kept(visit, body)
    visit.reply.content_type = kept(visit, content_type or "")
    visit.reply.details = span(b"python_filter_reply", 19)
    visit.reply.head = NULL
    if headers:
        head = <Head *>arena_take(visit.item.stream.arena, sizeof(Head))
        if head == NULL:
            raise MemoryError
        head_init(head, visit.item.stream.arena, True)
        for name, value in headers:
            check_header(name, value)
            head_add_copy(head, kept(visit, name), kept(visit, value))
        visit.reply.head = head
    return 0


cdef void go_on(Bureau *bureau) noexcept nogil:
    # Second pass: each step may end its stream, or start another hook of the same one.
    cdef Batch *ready = &bureau.ready
    cdef Visit *visit
    cdef HttpStream *stream
    while ready.first != NULL:
        visit = <Visit *>ready.first
        batch_leave(ready, &visit.item)
        visit.batch = NULL
        stream = visit.item.stream
        if visit.item.phase == PHASE_REPLY:
            stream.ops.reply(stream, &visit.reply)
        elif visit.response:
            stream.ops.resume_response(stream)
        else:
            stream.ops.resume_request(stream)


cdef void on_resume(Message *message) noexcept nogil:
    # A parked hook has answered. `table` is the worker's bureau, `index` the slot, `value` the generation.
    cdef Bureau *bureau = <Bureau *>message.table
    cdef Visit *visit
    if message.index >= bureau.park.cap or bureau.park.generations[message.index] != message.value:
        return
    visit = bureau.park.visits[message.index]
    if visit == NULL:
        return
    park_give(&bureau.park, visit.slot)
    visit.slot = 0
    enter(&bureau.worker.engine.batch, visit, PHASE_RETURNED)


# --- attaching ------------------------------------------------------------------------------------------------------


cdef int pyfilter_attach(Worker *worker) except -1:
    cdef Bureau *bureau = <Bureau *>calloc(1, sizeof(Bureau))
    if bureau == NULL:
        raise MemoryError
    bureau.worker = worker
    batch_init(&bureau.ready)
    worker.engine.batch.run = run_batch
    worker.engine.batch.owner = bureau
    worker.on_resume = on_resume
    return 0


cdef void pyfilter_detach(Worker *worker) noexcept:
    cdef Bureau *bureau = <Bureau *>worker.engine.batch.owner
    worker.engine.batch.run = NULL
    worker.engine.batch.owner = NULL
    if bureau != NULL:
        free(bureau.park.visits)
        free(bureau.park.generations)
        free(bureau.park.next)
        free(bureau)


cdef class Hold:
    # The C settings of one filter with the objects they point to.
    cdef Settings settings
    cdef object filter
    cdef object runner


cdef const HttpFilterOps *python_filter(object spec, list keep, void **settings) except NULL:
    cdef Hold hold = Hold()
    bound = spec.settings
    hold.filter = bound.filter
    hold.runner = bound.runner
    hold.settings.filter = <PyObject *>bound.filter
    hold.settings.runner = NULL if bound.runner is None else <PyObject *>bound.runner
    hold.settings.hooks = bound.hooks
    settings[0] = &hold.settings
    keep.append(hold)
    return &ops


cdef void let_go(void *kept) noexcept nogil:
    with gil:
        Py_DECREF(<object>kept)


cdef void keep_alive(ListenerConf *conf, list keep):
    if keep:
        Py_INCREF(keep)
        conf.kept = <void *>keep
        conf.let_go = let_go


# --- views ----------------------------------------------------------------------------------------------------------


def check_header(name, value):
    """ValueError for a header that would break the message: an empty or odd name, a line break or NUL in a value."""
    if not name or not all(33 <= ord(c) < 127 and c not in '()<>@,;:\\"/[]?={}' for c in name):
        raise ValueError(f"not a header name: {name!r}")
    if any(c in value for c in "\r\n\0"):
        raise ValueError(f"header {name}: the value has a line break or a NUL")


cdef class View:
    """What a filter sees of a head: valid during a synchronous hook, or until an `async def` hook has answered or the stream has gone."""

    cdef Visit *visit              # NULL: not valid any more
    cdef Head *head
    cdef Bureau *bureau
    cdef bint parked
    cdef uint32_t slot
    cdef uint32_t generation
    cdef list changes              # of a parked view, applied when it returns
    cdef public object hook
    cdef public object result
    cdef public object task        # called (from the worker's thread) when the stream goes before the hook has answered

    cdef Head *valid(self) except NULL:
        if self.head == NULL or (self.visit == NULL):
            raise RuntimeError("this request is over: its view must not be used any more")
        return self.head

    def get(self, str name, default=None):
        """The first value of a header (any case), or `default`."""
        cdef Head *head = self.valid()
        cdef bytes raw = name.lower().encode("latin-1")
        cdef Header *header
        if self.changes is not None:
            found = self.headers(name)
            return found[0] if found else default
        header = head_find_name(head, span(<const char *>raw, len(raw)))
        if header == NULL:
            return default
        return PyUnicode_DecodeLatin1(header.value, header.value_len, NULL)

    def headers(self, str name=None):
        """All values of one header, or without a name all headers as (name, value) in order; names are lower case."""
        cdef Head *head = self.valid()
        cdef uint16_t i
        pairs = []
        for i in range(head.len):
            if not head.headers[i].dropped:
                pairs.append((PyUnicode_DecodeLatin1(head.headers[i].name, head.headers[i].name_len, NULL),
                              PyUnicode_DecodeLatin1(head.headers[i].value, head.headers[i].value_len, NULL)))
        for op, key, value in self.changes or ():
            if op != "add":
                pairs = [pair for pair in pairs if pair[0] != key]
            if op != "remove":
                pairs.append((key, value))
        if name is None:
            return pairs
        name = name.lower()
        return [value for key, value in pairs if key == name]

    def set(self, str name, str value):
        """Replaces all headers of that name by one."""
        self.change("set", name.lower(), value)

    def add(self, str name, str value):
        """Adds one header, whatever is there already."""
        self.change("add", name.lower(), value)

    def remove(self, str name):
        """Removes all headers of that name."""
        self.change("remove", name.lower(), "")

    cdef int change(self, str op, str name, str value) except -1:
        self.valid()
        check_header(name, value)
        if self.parked:
            if self.changes is None:
                self.changes = []
            self.changes.append((op, name, value))
            return 0
        return change_head(self.head, self.visit, op, name, value)

    def answer(self, result):
        """A parked view's hook has ended with `result`: None, a Reply, or the exception it raised. Any thread."""
        cdef Message *message
        if not self.parked:
            raise RuntimeError("this view is not parked")
        self.parked = False
        self.task = None
        self.hook = None
        self.result = result
        if self.visit == NULL:
            return
        message = <Message *>calloc(1, sizeof(Message))
        if message == NULL:
            raise MemoryError
        message.order = ORDER_RESUME
        message.table = self.bureau
        message.index = self.slot
        message.value = self.generation
        worker_post(self.bureau.worker, message)


cdef int change_head(Head *head, Visit *visit, str op, str name, str value) except -1:
    cdef Span key = kept(visit, name)
    cdef Span text
    if op != "add":
        head_drop_name(head, key)
    if op != "remove":
        text = kept(visit, value)
        if head_add(head, key, text, head_identify(key.at, key.len)) == NULL:
            raise MemoryError
    return 0


cdef int apply_changes(View view, Visit *visit) except -1:
    cdef Head *head = visit.item.stream.response if visit.response else visit.item.stream.request
    for op, name, value in view.changes or ():
        if op == "path":
            head.path = kept(visit, value)
        elif op == "authority":
            head.authority = kept(visit, value)
        else:
            change_head(head, visit, op, name, value)
    return 0


cdef str text_of(Span s):
    return "" if s.at == NULL else PyUnicode_DecodeLatin1(s.at, s.len, NULL)


cdef class Request(View):
    """A request head on its way to the upstream. `method`, `path` (with the query), `authority`, `scheme`; headers as in View."""

    @property
    def method(self):
        return text_of(self.valid().method)

    @property
    def path(self):
        for op, _name, value in reversed(self.changes or ()):
            if op == "path":
                return value
        return text_of(self.valid().path)

    @path.setter
    def path(self, str value):
        self.rewrite("path", value)

    @property
    def authority(self):
        for op, _name, value in reversed(self.changes or ()):
            if op == "authority":
                return value
        return text_of(self.valid().authority)

    @authority.setter
    def authority(self, str value):
        self.rewrite("authority", value)

    @property
    def scheme(self):
        return text_of(self.valid().scheme)

    @property
    def remote_address(self):
        """The client's address without the port, after x-forwarded-for."""
        cdef char text[ADDRESS_TEXT]
        self.valid()
        if self.visit.item.stream.record.downstream_remote == NULL:
            return ""
        return text[:address_write(self.visit.item.stream.record.downstream_remote, text, False)].decode()

    def clear_route(self):
        """The route is looked up again (after a change of path or authority). Synchronous hooks only."""
        self.valid()
        if self.parked:
            raise RuntimeError("clear_route is for synchronous hooks")
        self.visit.item.stream.ops.clear_route(self.visit.item.stream)

    cdef int rewrite(self, str what, str value) except -1:
        self.valid()
        if not value or any(ord(c) <= 32 or ord(c) == 127 for c in value):
            raise ValueError(f"not a {what}: {value!r}")
        if self.parked:
            if self.changes is None:
                self.changes = []
            self.changes.append((what, "", value))
        elif what == "path":
            self.head.path = kept(self.visit, value)
        else:
            self.head.authority = kept(self.visit, value)
        return 0


cdef class Response(View):
    """A response head on its way to the client. `status`; headers as in View; `request` facts: `method`, `path`."""

    @property
    def status(self):
        return self.valid().status

    @property
    def method(self):
        self.valid()
        return text_of(self.visit.item.stream.request.method)

    @property
    def path(self):
        self.valid()
        return text_of(self.visit.item.stream.request.path)


cdef class Exchange(View):
    """A finished request and response, for on_log: facts only, nothing can be changed."""

    cdef HttpStream *stream(self) except NULL:
        if self.visit == NULL:
            raise RuntimeError("this exchange is over: its view must not be used any more")
        return self.visit.item.stream

    def request_header(self, str name, default=None):
        return self.header_of(self.stream().request, name, default)

    def response_header(self, str name, default=None):
        return self.header_of(self.stream().response, name, default)

    cdef object header_of(self, Head *head, str name, default):
        cdef bytes raw = name.lower().encode("latin-1")
        cdef Header *header = NULL
        if head != NULL:
            header = head_find_name(head, span(<const char *>raw, len(raw)))
        return default if header == NULL else PyUnicode_DecodeLatin1(header.value, header.value_len, NULL)

    @property
    def method(self):
        return "" if self.stream().request == NULL else text_of(self.stream().request.method)

    @property
    def path(self):
        return "" if self.stream().request == NULL else text_of(self.stream().request.path)

    @property
    def authority(self):
        return "" if self.stream().request == NULL else text_of(self.stream().request.authority)

    @property
    def status(self):
        return self.stream().record.status

    @property
    def details(self):
        """Envoy's response-code details: via_upstream, route_not_found, ..."""
        return text_of(self.stream().record.details)

    @property
    def cluster(self):
        return text_of(self.stream().record.cluster)

    @property
    def duration_ms(self):
        return (self.stream().record.end_ns - self.stream().record.start_ns) / 1e6

    @property
    def bytes_sent(self):
        return self.stream().record.bytes_sent

    @property
    def bytes_received(self):
        return self.stream().record.bytes_received
