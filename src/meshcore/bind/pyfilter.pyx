"""Python filters behind the filter ABI: gathering, one acquisition of the GIL per loop iteration, parking, and the way back.

A hook (no GIL) enters its visit into the worker's batch and stops the chain. At the end of the iteration `run_batch` takes the GIL once,
calls the synchronous hooks on views of the native heads, hands coroutine hooks to their runner (an asyncio loop, or the admin's thread), and
gives the GIL back; then the streams go on. Native heads are changed on the worker's thread only.

A parked visit is known to other threads by (slot, generation) only: when its answer comes through the mailbox and the stream is gone, or has
been answered by a timeout meanwhile, nothing happens. Before a stream's memory goes the batch runs once more, and takes the stream away from a
view that is still out and cancels its hook. Whatever a filter raises becomes a 500 of that stream, and no other stream notices.
"""
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

import logging

from meshcore.base.arena cimport arena_copy, arena_take
from meshcore.base.span cimport Span, span
from meshcore.bind.pyview cimport Exchange, Request, Response, View, keep_name, keep_value, view_apply
from meshcore.bind.pyvisit cimport *
from meshcore.codec.head cimport *
from meshcore.filter.batch cimport batch_enter, batch_init, batch_leave
from meshcore.filter.http cimport *
from meshcore.run.mailbox cimport Message

cdef enum Phase:
    PHASE_REQUEST                  # call on_request
    PHASE_RESPONSE                 # call on_response
    PHASE_LOG                      # call on_log
    PHASE_RETURNED                 # a parked hook has answered: make its changes
    PHASE_GONE                     # the stream ended while a view was out: take it away
    PHASE_RESUME                   # without the GIL: go on
    PHASE_REPLY                    # without the GIL: answer with `reply`

cdef enum:
    PARK_FIRST = 64

log = logging.getLogger("mesh.filter")


# --- the park table -------------------------------------------------------------------------------------------------


cdef bint park_grow(Park *park) noexcept nogil:
    cdef uint32_t first = park.cap if park.cap else 1
    cdef uint32_t cap = park.cap * 2 if park.cap else PARK_FIRST
    cdef uint32_t i
    cdef void *grown = realloc(park.visits, cap * sizeof(Visit *))
    if grown == NULL:
        return False
    park.visits = <Visit **>grown
    grown = realloc(park.generations, cap * sizeof(uint32_t))
    if grown == NULL:
        return False
    park.generations = <uint32_t *>grown
    grown = realloc(park.next, cap * sizeof(uint32_t))
    if grown == NULL:
        return False
    park.next = <uint32_t *>grown
    for i in range(first, cap):
        park.visits[i] = NULL
        park.generations[i] = 0
        park.next[i] = i + 1 if i + 1 < cap else 0
    park.free = first
    park.cap = cap
    return True


cdef uint32_t park_take(Park *park, Visit *visit) noexcept nogil:
    # 0: no memory.
    cdef uint32_t slot
    if park.free == 0 and not park_grow(park):
        return 0
    slot = park.free
    park.free = park.next[slot]
    park.visits[slot] = visit
    return slot


cdef void park_give(Park *park, Visit *visit) noexcept nogil:
    # From here on an answer for the visit is nobody's.
    cdef uint32_t slot = visit.slot
    if slot != 0:
        visit.slot = 0
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
        visit.desk = <Desk *>stream.batch.owner
        stream.state[n] = visit
    return visit


cdef void leave(Visit *visit) noexcept nogil:
    if visit.batch != NULL:
        batch_leave(visit.batch, &visit.item)
        visit.batch = NULL


cdef void enter(Batch *batch, Visit *visit, uint8_t phase) noexcept nogil:
    leave(visit)
    visit.item.phase = phase
    visit.batch = batch
    batch_enter(batch, &visit.item)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef Visit *visit
    if (<Settings *>stream.settings[n]).hooks & HOOK_REQUEST == 0:
        return FILTER_CONTINUE
    visit = visit_of(stream, n)
    if visit == NULL:
        return FILTER_CONTINUE
    visit.response = False
    enter(stream.batch, visit, PHASE_REQUEST)
    return FILTER_STOP


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef Visit *visit = <Visit *>stream.state[n]
    if visit != NULL:
        # The request hook may still be out, or have its answer on the way: a timeout answered first.
        park_give(&visit.desk.park, visit)
        leave(visit)
        if visit.replied:
            return FILTER_CONTINUE
    if (<Settings *>stream.settings[n]).hooks & HOOK_RESPONSE == 0:
        return FILTER_CONTINUE
    visit = visit_of(stream, n)
    if visit == NULL:
        return FILTER_CONTINUE
    visit.response = True
    enter(stream.batch, visit, PHASE_RESPONSE)
    return FILTER_STOP


cdef void on_log(HttpStream *stream, uint8_t n) noexcept nogil:
    cdef Visit *visit
    if (<Settings *>stream.settings[n]).hooks & HOOK_LOG == 0:
        return
    visit = visit_of(stream, n)
    if visit != NULL:
        park_give(&visit.desk.park, visit)
        enter(stream.batch, visit, PHASE_LOG)


cdef void on_destroy(HttpStream *stream, uint8_t n) noexcept nogil:
    cdef Visit *visit = <Visit *>stream.state[n]
    if visit == NULL:
        return
    park_give(&visit.desk.park, visit)
    if visit.batch != NULL and visit.item.phase == PHASE_LOG:
        return
    leave(visit)
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
    cdef Desk *desk = <Desk *>batch.owner
    with gil:
        call_hooks(desk, batch)
    go_on(desk)


cdef void call_hooks(Desk *desk, Batch *batch) noexcept:
    cdef Visit *visit
    cdef list parked = None        # [runner, its views, ...]: as a rule there is one runner
    while batch.first != NULL:
        visit = <Visit *>batch.first
        leave(visit)
        try:
            parked = call_hook(visit, parked)
        except BaseException:
            log.exception("a filter failed: %s", <object>visit.settings.filter)
            reply_error(visit)
    if parked is not None:
        hand_over(parked)


cdef void hand_over(list parked) noexcept:
    for i in range(0, len(parked), 2):
        try:
            parked[i].submit(parked[i + 1])
        except BaseException as error:
            for view in parked[i + 1]:
                view.answer(error)


cdef list call_hook(Visit *visit, list parked):
    cdef uint8_t phase = visit.item.phase
    if phase == PHASE_REQUEST:
        return request_hook(visit, parked)
    if phase == PHASE_RESPONSE:
        return response_hook(visit, parked)
    if phase == PHASE_LOG:
        log_hook(visit)
    elif phase == PHASE_RETURNED:
        returned(visit)
    else:
        take_away(visit)
    return parked


cdef list request_hook(Visit *visit, list parked):
    cdef Request view = Request.__new__(Request)
    view.head = visit.item.stream.request
    view.visit = visit
    if visit.settings.hooks & HOOK_REQUEST_PARKS:
        return park(visit, view, <object>visit.settings.on_request, parked)
    try:
        decide(visit, (<object>visit.settings.on_request)(view))
    finally:
        view.visit = NULL
        view.head = NULL
    return parked


cdef list response_hook(Visit *visit, list parked):
    cdef Response view = Response.__new__(Response)
    cdef Head *copy
    take_away(visit)
    view.head = visit.item.stream.response
    view.visit = visit
    if visit.settings.hooks & HOOK_RESPONSE_PARKS:
        # A timeout may fill the stream's head anew while another thread reads: a parked view has a head of its own over the same headers.
        copy = <Head *>arena_copy(visit.item.stream.arena, <const char *>view.head, sizeof(Head))
        if copy == NULL:
            raise MemoryError
        view.head = copy
        visit.headers = copy.headers
        return park(visit, view, <object>visit.settings.on_response, parked)
    try:
        decide(visit, (<object>visit.settings.on_response)(view))
    finally:
        view.visit = NULL
        view.head = NULL
    return parked


cdef int log_hook(Visit *visit) except -1:
    cdef Exchange view = Exchange.__new__(Exchange)
    take_away(visit)
    view.visit = visit
    try:
        (<object>visit.settings.on_log)(view)
    finally:
        view.visit = NULL
    return 0


cdef int returned(Visit *visit) except -1:
    cdef View view = <View>visit.view
    result = view.result
    take_away(visit)
    if visit.response and visit.item.stream.response.headers != visit.headers:
        return 0                   # a timeout has filled the head anew and answered
    if isinstance(result, BaseException):
        raise result
    view_apply(view, visit)
    decide(visit, result)
    return 0


cdef list park(Visit *visit, View view, hook, list parked):
    cdef int i
    runner = <object>visit.settings.runner
    take_away(visit)
    visit.slot = park_take(&visit.desk.park, visit)
    if visit.slot == 0:
        view.visit = NULL
        raise MemoryError
    view.parked = True
    view.slot = visit.slot
    view.generation = visit.desk.park.generations[visit.slot]
    view.desk = visit.desk
    view.hook = hook
    Py_INCREF(view)
    visit.view = <PyObject *>view
    if parked is None:
        return [runner, [view]]
    for i in range(0, len(parked), 2):
        if parked[i] is runner:
            (<list>parked[i + 1]).append(view)
            return parked
    parked.append(runner)
    parked.append([view])
    return parked


cdef void take_away(Visit *visit) noexcept:
    # The view that is out loses its stream; a hook that still runs is cancelled.
    cdef View view
    if visit.view == NULL:
        return
    view = <View>visit.view
    visit.view = NULL
    view.visit = NULL
    view.head = NULL
    if view.task is not None:
        try:
            (<object>visit.settings.runner).cancel(view.task)
        except BaseException:
            log.exception("a hook could not be cancelled: %s", <object>visit.settings.filter)
    Py_DECREF(view)


cdef int decide(Visit *visit, result) except -1:
    if result is None:
        enter(&visit.desk.ready, visit, PHASE_RESUME)
        return 0
    if not hasattr(result, "status"):
        raise TypeError(f"a hook returns None or a mesh.Reply, not {result!r} (is an `async` missing?)")
    set_reply(visit, result.status, result.body, result.content_type or "", result.headers)
    enter(&visit.desk.ready, visit, PHASE_REPLY)
    return 0


cdef int set_reply(Visit *visit, uint16_t status, bytes body, str content_type, headers) except -1:
    cdef HttpStream *stream = visit.item.stream
    cdef Head *head
    cdef Span key
    visit.reply.status = status
    visit.reply.flag = 0
    visit.reply.body = span(arena_copy(stream.arena, <const char *>body, len(body)), len(body))
    visit.reply.content_type = keep_value(visit, "content-type", content_type)
    visit.reply.details = span(b"python_filter_reply", 19)
    visit.reply.head = NULL
    if visit.reply.body.at == NULL:
        raise MemoryError
    if not headers:
        return 0
    head = <Head *>arena_take(stream.arena, sizeof(Head))
    if head == NULL:
        raise MemoryError
    head_init(head, stream.arena, True)
    for name, value in headers:
        key = keep_name(visit, name)
        if head_add(head, key, keep_value(visit, name, value), head_identify(key.at, key.len)) == NULL:
            raise MemoryError
    visit.reply.head = head
    return 0


cdef void reply_error(Visit *visit) noexcept:
    # What was raised is in the process log; the client learns nothing about it.
    if visit.item.phase == PHASE_LOG or visit.item.phase == PHASE_GONE:
        return
    memset(&visit.reply, 0, sizeof(LocalReply))
    visit.reply.status = 500
    visit.reply.details = span(b"python_filter_error", 19)
    enter(&visit.desk.ready, visit, PHASE_REPLY)


cdef void go_on(Desk *desk) noexcept nogil:
    # Each step may end its stream, or enter further visits of the same one into the batch, which then runs again.
    cdef Batch *ready = &desk.ready
    cdef Visit *visit
    cdef HttpStream *stream
    while ready.first != NULL:
        visit = <Visit *>ready.first
        leave(visit)
        stream = visit.item.stream
        if visit.item.phase == PHASE_REPLY:
            visit.replied = True
            stream.ops.reply(stream, &visit.reply)
        elif visit.response:
            stream.ops.resume_response(stream, visit.item.n)
        else:
            stream.ops.resume_request(stream, visit.item.n)


cdef void on_resume(Message *message) noexcept nogil:
    # A parked hook has answered: `table` is the desk, `index` the slot, `value` the generation.
    cdef Desk *desk = <Desk *>message.table
    cdef Visit *visit
    if message.index >= desk.park.cap or desk.park.generations[message.index] != message.value:
        return
    visit = desk.park.visits[message.index]
    if visit == NULL:
        return
    park_give(&desk.park, visit)
    enter(&desk.worker.engine.batch, visit, PHASE_RETURNED)


# --- attaching ------------------------------------------------------------------------------------------------------


cdef int pyfilter_attach(Worker *worker) except -1:
    cdef Desk *desk = <Desk *>calloc(1, sizeof(Desk))
    if desk == NULL:
        raise MemoryError
    desk.worker = worker
    batch_init(&desk.ready)
    worker.engine.batch.run = run_batch
    worker.engine.batch.owner = desk
    worker.on_resume = on_resume
    return 0


cdef void ignore(Message *message) noexcept nogil:
    pass


cdef void pyfilter_detach(Worker *worker) noexcept:
    # Nothing should be parked any more; a view that is, though, must not outlive the desk.
    cdef Desk *desk = <Desk *>worker.engine.batch.owner
    cdef uint32_t slot
    worker.on_resume = ignore
    worker.engine.batch.run = NULL
    worker.engine.batch.owner = NULL
    if desk == NULL:
        return
    for slot in range(1, desk.park.cap):
        if desk.park.visits[slot] != NULL:
            take_away(desk.park.visits[slot])
    free(desk.park.visits)
    free(desk.park.generations)
    free(desk.park.next)
    free(desk)


cdef class Hold:
    # The C settings of one filter with the objects they point to.
    cdef Settings settings
    cdef object bound
    cdef list hooks


cdef const HttpFilterOps *python_filter(object spec, list keep, void **settings) except NULL:
    cdef Hold hold = Hold()
    cdef Settings *to = &hold.settings
    bound = spec.settings
    hold.bound = bound
    hold.hooks = [getattr(bound.filter, name, None) for name in ("on_request", "on_response", "on_log")]
    memset(to, 0, sizeof(Settings))
    to.hooks = bound.hooks
    to.filter = <PyObject *>bound.filter
    to.runner = NULL if bound.runner is None else <PyObject *>bound.runner
    to.on_request = <PyObject *>hold.hooks[0]
    to.on_response = <PyObject *>hold.hooks[1]
    to.on_log = <PyObject *>hold.hooks[2]
    settings[0] = to
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
