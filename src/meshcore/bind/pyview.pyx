"""What a Python filter sees of a stream: Request, Response and Exchange, views of native heads that copy nothing until they are asked.

A view is valid during a synchronous hook, or until an `async def` hook has ended or its stream has gone; afterwards every access raises
RuntimeError. A synchronous hook runs on the worker's thread and changes the native head at once. A parked view is used on the thread of an
asyncio loop: it reads the native head, which stands still while the filter holds it, and notes its changes, which the worker makes when the hook
has ended. All of it under the GIL. Framing belongs to the engine: a filter may not write content-length, transfer-encoding or host.
"""
from cpython.unicode cimport PyUnicode_DecodeLatin1
from libc.stdint cimport uint8_t, uint16_t
from libc.stdlib cimport calloc
from libc.string cimport memchr, memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport lower, span
from meshcore.bind.pyvisit cimport *
from meshcore.codec.head cimport *
from meshcore.filter.http cimport HttpStream
from meshcore.observe.record cimport ADDRESS_TEXT, address_write
from meshcore.run.mailbox cimport ORDER_RESUME, Message
from meshcore.run.worker cimport worker_post

cdef extern from "Python.h":
    int PyUnicode_KIND(object text)
    const char *PyUnicode_1BYTE_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

cdef enum:
    NAME_CAP = 256                 # a longer name is looked for on the slow path
    NAME_MOST = 65535              # what a head can hold
    CTL = 32                       # bytes below are control characters
    DEL = 127

cdef uint8_t token[256]            # RFC 9110, 5.6.2: 1 for a byte that a header name may have
for _c in range(256):
    token[_c] = 33 <= _c < 127 and chr(_c) not in '()<>@,;:\\"/[]?={}'

cdef frozenset FRAMING = frozenset(("content-length", "transfer-encoding", "host"))


# --- text in and out ------------------------------------------------------------------------------------------------


cdef inline str text_of(Span s):
    return "" if s.at == NULL else PyUnicode_DecodeLatin1(s.at, s.len, NULL)


cdef inline int latin1(str text, const char **at, Py_ssize_t *n) except -1:
    # Where the bytes of `text` are: CPython keeps a string of code points below 256 as one byte each.
    if PyUnicode_KIND(text) != 1:
        raise ValueError(f"{text!r} has characters that a header cannot carry (latin-1)")
    at[0] = PyUnicode_1BYTE_DATA(text)
    n[0] = PyUnicode_GET_LENGTH(text)
    return 0


cdef inline char *room(Visit *visit, size_t n) except NULL:
    cdef char *at = <char *>arena_take(visit.item.stream.arena, n if n else 1)
    if at == NULL:
        raise MemoryError
    return at


cdef Span keep_text(Visit *visit, str text) except *:
    cdef const char *at
    cdef Py_ssize_t n
    cdef char *to
    latin1(text, &at, &n)
    to = room(visit, n)
    memcpy(to, at, n)
    return span(to, n)


cdef Span keep_name(Visit *visit, str name) except *:
    cdef const char *at
    cdef Py_ssize_t n
    cdef Py_ssize_t i
    cdef char *to
    name_check(name, &at, &n)
    to = room(visit, n)
    for i in range(n):
        to[i] = lower(at[i])
    return span(to, n)


cdef Span keep_value(Visit *visit, str name, str value) except *:
    value_check(name, value)
    return keep_text(visit, value)


cdef int name_check(str name, const char **at, Py_ssize_t *n) except -1:
    cdef Py_ssize_t i
    latin1(name, at, n)
    if not 0 < n[0] <= NAME_MOST:
        raise ValueError(f"not a header name: {name!r}")
    for i in range(n[0]):
        if not token[<uint8_t>at[0][i]]:
            raise ValueError(f"not a header name: {name!r}")
    if lower(at[0][0]) in b"cth" and name.lower() in FRAMING:
        raise ValueError(f"header {name}: framing and host belong to the engine; a filter may not set it")
    return 0


cdef int value_check(str name, str value) except -1:
    cdef const char *at
    cdef Py_ssize_t n
    latin1(value, &at, &n)
    if memchr(at, 13, n) != NULL or memchr(at, 10, n) != NULL or memchr(at, 0, n) != NULL:
        raise ValueError(f"header {name}: the value has a line break or a NUL")
    return 0


cdef Header *find(Head *head, str name):
    # The first header of that name, any case; NULL: none.
    cdef char buffer[NAME_CAP]
    cdef const char *at
    cdef Py_ssize_t n
    cdef Py_ssize_t i
    if PyUnicode_KIND(name) != 1:
        return NULL
    at = PyUnicode_1BYTE_DATA(name)
    n = PyUnicode_GET_LENGTH(name)
    if n > NAME_CAP:
        raw = name.lower().encode("latin-1")
        return head_find_name(head, span(<const char *>raw, n))
    for i in range(n):
        buffer[i] = lower(at[i])
    return head_find_name(head, span(buffer, n))


# --- changes --------------------------------------------------------------------------------------------------------


cdef int change_head(Head *head, Visit *visit, str what, str name, str value) except -1:
    cdef Span key = keep_name(visit, name)
    cdef Span text = keep_value(visit, name, value)
    if what != "add":
        head_drop_name(head, key)
    if what != "remove" and head_add(head, key, text, head_identify(key.at, key.len)) == NULL:
        raise MemoryError
    return 0


cdef int view_apply(View view, Visit *visit) except -1:
    cdef HttpStream *stream = visit.item.stream
    cdef Head *head = stream.response if visit.response else stream.request
    if view.changes is None:
        return 0
    for what, name, value in view.changes:
        if what == "path":
            head.path = keep_text(visit, value)
        elif what == "authority":
            head.authority = keep_text(visit, value)
        elif what == "route":
            stream.ops.clear_route(stream)
        else:
            change_head(head, visit, what, name, value)
    return 0


# --- views ----------------------------------------------------------------------------------------------------------


cdef class View:
    """The headers of a message. Names are found in any case and listed in lower case."""

    cdef Head *valid(self) except NULL:
        if self.head == NULL or self.visit == NULL:
            raise RuntimeError("this view is not valid any more: its hook has ended, or its stream has gone")
        return self.head

    @property
    def gone(self):
        """Whether the stream has ended, so that nothing can be read or answered any more."""
        return self.visit == NULL

    def get(self, str name, default=None):
        """The first value of a header, or `default`."""
        cdef Head *head = self.valid()
        cdef Header *header
        if self.changes is not None:
            found = self.headers(name)
            return found[0] if found else default
        header = find(head, name)
        if header == NULL:
            return default
        return PyUnicode_DecodeLatin1(header.value, header.value_len, NULL)

    def headers(self, str name=None):
        """All values of one header, or without a name all headers as (name, value), in order."""
        cdef Head *head = self.valid()
        cdef uint16_t i
        cdef list pairs = []
        for i in range(head.len):
            if not head.headers[i].dropped:
                pairs.append((text_of(header_name(&head.headers[i])), text_of(header_value(&head.headers[i]))))
        for what, key, value in self.changes or ():
            if what == "set" or what == "remove":
                pairs = [pair for pair in pairs if pair[0] != key]
            if what == "set" or what == "add":
                pairs.append((key, value))
        if name is None:
            return pairs
        name = name.lower()
        return [value for key, value in pairs if key == name]

    def set(self, str name not None, str value not None):
        """Replaces all headers of that name by one. ValueError for what would break the message."""
        self.change("set", name, value)

    def add(self, str name not None, str value not None):
        """Adds one header, whatever is there already."""
        self.change("add", name, value)

    def remove(self, str name not None):
        """Removes all headers of that name."""
        self.change("remove", name, "")

    cdef int change(self, str what, str name, str value) except -1:
        cdef Head *head = self.valid()
        cdef const char *at
        cdef Py_ssize_t n
        if not self.parked:
            return change_head(head, self.visit, what, name, value)
        name_check(name, &at, &n)
        value_check(name, value)
        return self.note(what, name.lower(), value)

    cdef int note(self, str what, str name, str value) except -1:
        if self.changes is None:
            self.changes = []
        self.changes.append((what, name, value))
        return 0

    def answer(self, result):
        """A parked view's hook has ended with `result`: None, a Reply, or the exception it raised. Any thread, once."""
        cdef Message *message
        if not self.parked:
            raise RuntimeError("this view is not parked")
        self.parked = False
        self.hook = None
        self.task = None
        self.head = NULL           # whoever kept the view may not race with the worker that now makes the changes
        if self.visit == NULL:
            return
        message = <Message *>calloc(1, sizeof(Message))
        if message == NULL:
            raise MemoryError
        self.result = result
        message.order = ORDER_RESUME
        message.table = self.desk
        message.index = self.slot
        message.value = self.generation
        worker_post(self.desk.worker, message)


cdef class Request(View):
    """A request head on its way to the upstream: `method`, `path` (with the query), `authority` (the Host), `scheme`, and the headers.

    The route was chosen before the filters ran: a change of path, authority or headers matters to it after `clear_route` only."""

    @property
    def method(self):
        return text_of(self.valid().method)

    @property
    def path(self):
        return self.changed("path") or text_of(self.valid().path)

    @path.setter
    def path(self, str value not None):
        self.rewrite("path", value)

    @property
    def authority(self):
        return self.changed("authority") or text_of(self.valid().authority)

    @authority.setter
    def authority(self, str value not None):
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
        """The route is looked up again, with what was changed so far."""
        cdef HttpStream *stream
        self.valid()
        if self.parked:
            self.note("route", "", "")
        else:
            stream = self.visit.item.stream
            stream.ops.clear_route(stream)

    def changed(self, str what):
        """The last noted change of `what`; None without one."""
        for noted, _name, value in reversed(self.changes or ()):
            if noted == what:
                return value
        return None

    def rewrite(self, str what, str value):
        """What the setters of `path` and `authority` do."""
        cdef Head *head = self.valid()
        cdef const char *at
        cdef Py_ssize_t n
        cdef Py_ssize_t i
        latin1(value, &at, &n)
        for i in range(n):
            if <uint8_t>at[i] <= CTL or at[i] == DEL:
                raise ValueError(f"not a {what}: {value!r}")
        if n == 0:
            raise ValueError(f"the {what} cannot be empty")
        if self.parked:
            self.note(what, "", value)
        elif what == "path":
            head.path = keep_text(self.visit, value)
        else:
            head.authority = keep_text(self.visit, value)


cdef class Response(View):
    """A response head on its way to the client: `status`, the headers, and of its request `method` and `path`."""

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
    """A finished request and response, for on_log: facts only. What is not known is an empty text or 0."""

    cdef Head *valid(self) except NULL:
        raise TypeError("an Exchange is over: use request_header and response_header")

    cdef HttpStream *stream(self) except NULL:
        if self.visit == NULL:
            raise RuntimeError("this view is not valid any more: its hook has ended")
        return self.visit.item.stream

    def request_header(self, str name not None, default=None):
        return self.header_of(self.stream().request, name, default)

    def response_header(self, str name not None, default=None):
        return self.header_of(self.stream().response, name, default)

    cdef object header_of(self, Head *head, str name, default):
        cdef Header *header = NULL if head == NULL else find(head, name)
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
