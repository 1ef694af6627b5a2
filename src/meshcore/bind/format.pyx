"""Python face of the formats: checks for the config layer, compilation for the tables, and what tests and tools drive them with.

Owns the walk over JSON format trees, the translation of errors to ValueError, and `Formatter`, which writes a line for facts given as
a dict. Must not know operators: those are in observe/. Called with the GIL held, by one thread at a time; a Formatter owns the arena
of its format, and one for the facts it was last given.
"""
import ipaddress
import json

from meshcore.bind.numbers import shortest

from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_copy, arena_fini, arena_init, arena_take
from meshcore.base.span cimport Span, span
from meshcore.bind.metadata cimport filter_state_fill, metadata_fill
from meshcore.codec.head cimport *
from meshcore.observe.format cimport *
from meshcore.observe.metadata cimport Metadata
from meshcore.observe.record cimport Attempt, IpAddress, Record, address_write

cdef bytes bytes_of(Span text):
    return PyBytes_FromStringAndSize(text.at, text.len)


cdef str text_of(Span text):
    return bytes_of(text).decode("utf-8", "replace")


cdef Format *compile_text(Arena *arena, str text, bint omit_empty) except NULL:
    cdef bytes raw = text.encode()
    cdef Span error = span(NULL, 0)
    cdef Format *format = format_compile(arena, span(raw, len(raw)), &error)
    if format == NULL:
        raise ValueError(text_of(error))
    format.omit_empty = omit_empty
    return format


cdef int _done(bint fits, str path) except -1:
    if not fits:
        raise ValueError(f"{path or 'the format'}: nested too deep, or too many operators")
    return 0


cdef int _leaf(Arena *arena, Format *format, object node, str path) except -1:
    cdef bytes raw
    cdef Span error = span(NULL, 0)
    if isinstance(node, str):
        raw = node.encode()
        if not format_json_value(arena, format, span(raw, len(raw)), &error):
            raise ValueError(f"{path}: {text_of(error)}" if path else text_of(error))
        return 0
    raw = (json.dumps(node) if node is None or isinstance(node, bool) else shortest(float(node))).encode()
    return _done(format_json_literal(arena, format, span(raw, len(raw))), path)


cdef int _walk(Arena *arena, Format *format, object node, str path) except -1:
    cdef bint is_map = isinstance(node, dict)
    cdef bytes key
    if not is_map and not isinstance(node, (list, tuple)):
        return _leaf(arena, format, node, path)
    _done(format_json_open(arena, format, b"{"[0] if is_map else b"["[0]), path)
    for name in sorted(node, key=str.encode) if is_map else range(len(node)):
        if format.omit_empty and node[name] is None:
            continue
        key = (json.dumps(name, ensure_ascii=False) + ":").encode() if is_map else b""
        _done(format_json_key(arena, format, span(key, len(key))), path)
        _walk(arena, format, node[name], f"{path}[{name}]" if not is_map else f"{path}.{name}" if path else name)
    return _done(format_json_close(arena, format, b"}"[0] if is_map else b"]"[0]), path)


cdef Format *compile_json(Arena *arena, object tree, bint omit_empty) except NULL:
    cdef Format *format = format_json_new(arena, 0)
    if format == NULL:
        raise MemoryError("no memory for a log format")
    format.omit_empty = omit_empty
    _walk(arena, format, tree, "")
    _done(format_json_literal(arena, format, span(b"\n", 1)), "")
    return format


_names = []                        # host names stay alive: formats point into them


def set_hostname(bytes name):
    """What %HOSTNAME% stands for in formats that are compiled from now on."""
    _names.append(name)
    format_environment(span(PyBytes_AsString(name), len(name)))


cdef object _complaint(object source, bint is_tree):
    cdef Arena arena
    arena_init(&arena, NULL)
    try:
        if is_tree:
            compile_json(&arena, source, False)
        else:
            compile_text(&arena, source, False)
    except ValueError as error:
        return str(error)
    finally:
        arena_fini(&arena)
    return None


def check(str text):
    """None when `text` is a valid format string, else what is wrong with it."""
    return _complaint(text, False)


def check_json(tree):
    """None when `tree` (dicts, lists, strings, numbers, booleans, None) is a valid JSON format, else what is wrong and where."""
    return _complaint(tree, True)


cdef Span _kept(Arena *arena, object value) except *:
    cdef bytes raw = value if isinstance(value, bytes) else str(value).encode()
    return span(arena_copy(arena, raw, len(raw)), len(raw))


cdef Head *_head(Arena *arena, object facts, bint is_response) except NULL:
    # {"method", "path", "authority", "scheme", "protocol", "status", "headers": [(name, value)]}
    cdef Head *head = <Head *>arena_take(arena, sizeof(Head))
    head_init(head, arena, is_response)
    head.status = facts.get("status", 0)
    if not is_response:
        head.method = _kept(arena, facts.get("method", ""))
        head.path = _kept(arena, facts.get("path", ""))
        head.authority = _kept(arena, facts.get("authority", ""))
        head.scheme = _kept(arena, facts.get("scheme", ""))
        head.protocol = _kept(arena, facts.get("protocol", ""))
    for name, value in facts.get("headers", ()):
        head_add_copy(head, _kept(arena, name), _kept(arena, value))
    return head


cdef IpAddress *_address(Arena *arena, str text) except NULL:
    # "1.2.3.4:80", "[::1]:80", or a path.
    cdef IpAddress *out = <IpAddress *>arena_take(arena, sizeof(IpAddress))
    cdef bytes raw
    memset(out, 0, sizeof(IpAddress))
    if ":" not in text:
        raw = text.encode() + b"\0"
        out.family = 1
        out.path = arena_copy(arena, raw, len(raw))
        return out
    host, _, port = text.rpartition(":")
    parsed = ipaddress.ip_address(host.strip("[]"))
    raw = parsed.packed
    out.family = parsed.version
    out.port = int(port)
    memcpy(out.bytes, <const char *>raw, len(raw))
    return out


cdef Record _blank
cdef dict _fields = {}             # name of a field of Record -> (kind, offset)


cdef _register(str kind, str names, offsets):
    _fields.update({name: (kind, offset) for name, offset in zip(names.split(), offsets, strict=True)})


cdef size_t _at(void *field):
    return <char *>field - <char *>&_blank


_register("span", "details termination upstream_failure downstream_failure upstream_close_reason downstream_close_reason route_name "
          "virtual_host cluster cluster_stat_name upstream_hostname stream_id local_body virtual_cluster filter_chain", [
    _at(&_blank.details), _at(&_blank.termination), _at(&_blank.upstream_failure), _at(&_blank.downstream_failure),
    _at(&_blank.upstream_close_reason), _at(&_blank.downstream_close_reason), _at(&_blank.route_name), _at(&_blank.virtual_host),
    _at(&_blank.cluster), _at(&_blank.cluster_stat_name), _at(&_blank.upstream_hostname), _at(&_blank.stream_id),
    _at(&_blank.local_body), _at(&_blank.virtual_cluster), _at(&_blank.filter_chain)])
_register("address", "downstream_remote downstream_direct_remote downstream_local downstream_direct_local upstream_remote "
          "upstream_local", [
    _at(&_blank.downstream_remote), _at(&_blank.downstream_direct_remote), _at(&_blank.downstream_local),
    _at(&_blank.downstream_direct_local), _at(&_blank.upstream_remote), _at(&_blank.upstream_local)])
_register("u64", "start_ns start_wall_us request_end_ns upstream_first_tx_ns upstream_last_tx_ns upstream_first_rx_ns upstream_last_rx_ns "
          "response_first_tx_ns response_end_ns end_ns upstream_connected_ns upstream_connect_start_ns upstream_connect_end_ns "
          "bytes_received bytes_sent downstream_wire_rx downstream_wire_tx downstream_header_rx downstream_header_tx "
          "upstream_wire_rx upstream_wire_tx upstream_header_rx upstream_header_tx flags connection_id upstream_connection_id", [
    _at(&_blank.start_ns), _at(&_blank.start_wall_us), _at(&_blank.request_end_ns), _at(&_blank.upstream_first_tx_ns),
    _at(&_blank.upstream_last_tx_ns), _at(&_blank.upstream_first_rx_ns), _at(&_blank.upstream_last_rx_ns),
    _at(&_blank.response_first_tx_ns), _at(&_blank.response_end_ns), _at(&_blank.end_ns), _at(&_blank.upstream_connected_ns),
    _at(&_blank.upstream_connect_start_ns), _at(&_blank.upstream_connect_end_ns), _at(&_blank.bytes_received), _at(&_blank.bytes_sent),
    _at(&_blank.downstream_wire_rx), _at(&_blank.downstream_wire_tx), _at(&_blank.downstream_header_rx),
    _at(&_blank.downstream_header_tx), _at(&_blank.upstream_wire_rx), _at(&_blank.upstream_wire_tx), _at(&_blank.upstream_header_rx),
    _at(&_blank.upstream_header_tx), _at(&_blank.flags), _at(&_blank.connection_id), _at(&_blank.upstream_connection_id)])
_register("u32", "attempts route_resolutions", [_at(&_blank.attempts), _at(&_blank.route_resolutions)])
_register("u16", "status", [_at(&_blank.status)])
_register("u8", "protocol upstream_protocol log_type downstream_close upstream_close", [
    _at(&_blank.protocol), _at(&_blank.upstream_protocol), _at(&_blank.log_type), _at(&_blank.downstream_close),
    _at(&_blank.upstream_close)])


_stores = {                        # field of Record that points to metadata -> offset
    "cluster_metadata": _at(&_blank.cluster_metadata), "upstream_metadata": _at(&_blank.upstream_metadata),
    "listener_metadata": _at(&_blank.listener_metadata), "chain_metadata": _at(&_blank.chain_metadata),
    "route_metadata": _at(&_blank.route_metadata), "host_metadata": _at(&_blank.host_metadata),
}


cdef int _store(Arena *arena, Record *record, str name, object value) except -1:
    cdef Metadata *store = <Metadata *>arena_take(arena, sizeof(Metadata))
    memset(store, 0, sizeof(Metadata))
    metadata_fill(arena, value, store)
    (<const Metadata **>(<char *>record + <size_t>_stores[name]))[0] = store
    return 0


cdef int _fill(Arena *arena, Record *record, dict facts) except -1:
    cdef char *field
    cdef Attempt *attempts
    memset(record, 0, sizeof(Record))
    for name, value in facts.items():
        if name == "request":
            record.request = _head(arena, value, False)
        elif name == "response":
            record.response = _head(arena, value, True)
        elif name == "trailers":
            record.trailers = _head(arena, value, True)
        elif name == "metadata":
            metadata_fill(arena, value, &record.metadata)
        elif name in _stores:
            _store(arena, record, name, value)
        elif name == "filter_state":
            filter_state_fill(arena, value, &record.filter_state)
        elif name == "attempted":
            attempts = <Attempt *>arena_take(arena, len(value) * sizeof(Attempt))
            record.attempted = attempts
            record.attempted_len = len(value)
            for i, (address, hostname, connection_id) in enumerate(value):
                attempts[i].address = _address(arena, address)
                attempts[i].hostname = _kept(arena, hostname)
                attempts[i].connection_id = connection_id
        else:
            kind, offset = _fields[name]
            field = <char *>record + <size_t>offset
            if kind == "span":
                (<Span *>field)[0] = _kept(arena, value)
            elif kind == "address":
                (<IpAddress **>field)[0] = _address(arena, value)
            elif kind == "u64":
                (<uint64_t *>field)[0] = value
            elif kind == "u32":
                (<uint32_t *>field)[0] = value
            elif kind == "u16":
                (<uint16_t *>field)[0] = value
            else:
                (<uint8_t *>field)[0] = value
    return 0


cdef class Formatter:
    """A compiled format that writes lines for facts: `Formatter("%DURATION%").write({"start_ns": 1, "end_ns": 5000001})`.

    `source` is a format string or a JSON tree. Facts are named as the fields of Record; heads are dicts of method, path, authority,
    scheme, status and headers; addresses are texts. Raises ValueError for a format that does not compile.
    """

    cdef Arena arena
    cdef Arena facts_arena
    cdef Format *format
    cdef Record record

    def __cinit__(self):
        arena_init(&self.arena, NULL)
        arena_init(&self.facts_arena, NULL)

    def __init__(self, source, bint omit_empty=False):
        if isinstance(source, str):
            self.format = compile_text(&self.arena, source, omit_empty)
        else:
            self.format = compile_json(&self.arena, source, omit_empty)

    def __dealloc__(self):
        arena_fini(&self.arena)
        arena_fini(&self.facts_arena)

    @property
    def has_operators(self):
        return bool(self.format.has_operators)

    def set_facts(self, dict facts):
        """What `write_again` writes; the facts stay until the next call."""
        arena_fini(&self.facts_arena)
        _fill(&self.facts_arena, &self.record, facts)

    def write(self, dict facts, room=None):
        """The line as bytes; `room` is the space it is given (default: what `bound` says)."""
        cdef size_t cap
        cdef char *out
        cdef char *end
        self.set_facts(facts)
        cap = format_bound(self.format, &self.record) if room is None else room
        out = <char *>malloc(cap + 1)
        if out == NULL:
            raise MemoryError("no memory for a line")
        try:
            end = format_write(self.format, &self.record, out, out + cap)
            assert <size_t>(end - out) <= cap
            return PyBytes_FromStringAndSize(out, end - out)
        finally:
            free(out)

    def write_again(self, int times):
        """Writes the same line `times` times and throws it away: what a benchmark measures. Answers the length."""
        cdef char out[16384]
        cdef char *end = out
        with nogil:
            for _ in range(times):
                end = format_write(self.format, &self.record, out, out + 16384)
        return end - out


def address_text(str address, bint with_port=True):
    """How an address ("1.2.3.4:80", "[::1]:80", a path) is printed."""
    cdef Arena arena
    cdef char out[128]
    arena_init(&arena, NULL)
    try:
        return PyBytes_FromStringAndSize(out, address_write(_address(&arena, address), out, with_port)).decode()
    finally:
        arena_fini(&arena)
