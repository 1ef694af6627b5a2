"""Evaluates one operator: a field of the Record, an address, a duration, a time, flags. See value.pxd for the law.

Values that come out of message heads are in value_head.pyx. A value is a number, a text that is borrowed from the Record or composed
in the caller's scratch, or missing; how it is printed is the business of format.pyx. Nothing here can fail.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from meshcore.base.random cimport Random, random_init, random_u64
from meshcore.base.span cimport Span, span, span_find, write_u64
from meshcore.codec.head cimport HTTP_3
from meshcore.observe.metadata cimport *
from meshcore.observe.operator cimport *
from meshcore.observe.record cimport *
from meshcore.observe.tls_facts cimport FACT_SUBJECT, TlsFacts, tls_fact
from meshcore.observe.value_head cimport grpc_status_value, header_bytes, header_value_of, path_value, query_parameter, query_value, xfcc_value
from meshcore.observe.walltime cimport time_write, time_write_default, wall_now_us

cdef Span[4] protocols = [span(b"HTTP/1.0", 8), span(b"HTTP/1.1", 8), span(b"HTTP/2", 6), span(b"HTTP/3", 6)]
cdef Span[3] close_types = [span(b"Normal", 6), span(b"LocalReset", 10), span(b"RemoteReset", 11)]
LOG_TYPES = (
    "NotSet", "TcpUpstreamConnected", "TcpPeriodic", "TcpConnectionEnd", "DownstreamStart", "DownstreamPeriodic", "DownstreamEnd",
    "UpstreamPoolReady", "UpstreamPeriodic", "UpstreamEnd", "DownstreamTunnelSuccessfullyEstablished", "UdpTunnelUpstreamConnected",
    "UdpPeriodic", "UdpSessionEnd", "TcpConnectionStart",
)
cdef Span[15] log_types
_keep = [name.encode() for name in LOG_TYPES]      # the bytes that `log_types` points into


cdef _fill():
    assert len(LOG_TYPES) == LOG_TCP_CONNECTION_START + 1
    for i in range(len(LOG_TYPES)):
        log_types[i] = span(_keep[i], len(_keep[i]))


_fill()


cdef inline void set_text(Value *out, Span text) noexcept nogil:
    out.kind = VALUE_TEXT
    out.text = text


cdef inline void set_number(Value *out, int64_t number) noexcept nogil:
    out.kind = VALUE_NUMBER
    out.number = number


cdef inline const char *field(Record *record, uint16_t offset) noexcept nogil:
    return <const char *>record + offset


cdef Span underscored(Span text, char *scratch) noexcept nogil:
    # Texts that hold white space would split a log line: Envoy writes "_".
    cdef size_t n = text.len if text.len < SCRATCH else SCRATCH
    cdef size_t i
    for i in range(n):
        scratch[i] = b'_' if text.at[i] == b' ' or (text.at[i] >= 9 and text.at[i] <= 13) else text.at[i]
    return span(scratch, n)


cdef inline bint of_host(char c) noexcept nogil:
    return b'a' <= c <= b'z' or b'A' <= c <= b'Z' or b'0' <= c <= b'9' or c == b'.' or c == b'-'


cdef Span host_like(Span text, char *scratch) noexcept nogil:
    # As Envoy: a client may ask for any bytes, which would begin a line of a log or of a request.
    cdef size_t n = text.len if text.len < SCRATCH - 8 else SCRATCH - 8
    cdef bint valid = True
    cdef size_t i
    for i in range(n):
        valid = valid and of_host(text.at[i])
        scratch[8 + i] = text.at[i] if of_host(text.at[i]) else b'_'
    if valid:
        return text
    memcpy(scratch, b"invalid:", 8)
    return span(scratch, n + 8)


cdef void masked(const IpAddress *address, uint8_t prefix, char *scratch, Value *out) noexcept nogil:
    cdef IpAddress network = address[0]
    cdef int bytes = 4 if address.family == 4 else 16
    cdef int bits
    cdef int i
    cdef size_t n
    if address.family != 4 and address.family != 6:
        set_text(out, span(scratch, address_write(address, scratch, False)))
        return
    prefix = <uint8_t>min(prefix, 8 * bytes)
    for i in range(bytes):
        bits = prefix - 8 * i
        if bits <= 0:
            network.bytes[i] = 0
        elif bits < 8:
            network.bytes[i] &= <uint8_t>(0xff << (8 - bits))
    n = address_write(&network, scratch, False)
    scratch[n] = b'/'
    n += 1
    n += write_u64(scratch + n, prefix)
    set_text(out, span(scratch, n))


cdef void address_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef const IpAddress *address = (<const IpAddress **>field(record, op.offset))[0]
    if address == NULL and op.until != 0:
        address = (<const IpAddress **>field(record, op.until))[0]
    if address == NULL or (op.connected and record.upstream_local == NULL):
        return
    if op.part == ADDRESS_PORT:
        if address.family == 4 or address.family == 6:
            set_number(out, address.port)
    elif op.part == ADDRESS_MASKED:
        masked(address, op.prefix, scratch, out)
    else:
        set_text(out, span(scratch, address_write(address, scratch, op.part == ADDRESS_WHOLE)))


cdef Span without_port(Span name) noexcept nogil:
    # "host:80" and "[::1]:80" lose the port; a bare IPv6 address has none.
    cdef size_t i = name.len
    while i > 0 and name.at[i - 1] >= 48 and name.at[i - 1] <= 57:
        i -= 1
    if i == 0 or i == name.len or name.at[i - 1] != b':':
        return name
    if span_find(span(name.at, i - 1), b':') >= 0 and name.at[i - 2] != b']':
        return name
    return span(name.at, i - 1)


cdef void host_name_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef Span name = record.upstream_hostname
    if record.upstream_remote == NULL:
        return
    if name.len == 0:
        name = span(scratch, address_write(record.upstream_remote, scratch, op.part == 0))
    set_text(out, without_port(name) if op.part else name)


cdef size_t write_attempt(const Operator *op, const Attempt *attempt, char *at, size_t room) noexcept nogil:
    cdef Span name
    if room < attempt.hostname.len + ADDRESS_TEXT + 1 or (op.part == ATTEMPT_CONNECTION_ID and attempt.connection_id == 0):
        return 0
    if op.part == ATTEMPT_CONNECTION_ID:
        return write_u64(at, attempt.connection_id)
    if op.part < ATTEMPT_NAME or attempt.hostname.len == 0:
        return address_write(attempt.address, at, op.part == ATTEMPT_ADDRESS or op.part == ATTEMPT_NAME)
    name = without_port(attempt.hostname) if op.part == ATTEMPT_NAME_WITHOUT_PORT else attempt.hostname
    memcpy(at, name.at, name.len)
    return name.len


cdef void attempts_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef Attempt last
    cdef const Attempt *attempts = record.attempted
    cdef uint32_t attempts_len = record.attempted_len
    cdef size_t n = 0
    cdef size_t written
    cdef uint32_t i
    if attempts_len == 0 and record.upstream_remote != NULL and record.upstream_local != NULL:
        # As in Envoy, who forgets earlier tries: the host of the last one, if that had a connection.
        last.address = record.upstream_remote
        last.hostname = record.upstream_hostname
        last.connection_id = record.upstream_connection_id
        attempts = &last
        attempts_len = 1
    for i in range(attempts_len):
        if n + 1 >= SCRATCH:
            break
        written = write_attempt(op, &attempts[i], scratch + n + (n > 0), SCRATCH - n - 1)
        if written > 0 and n > 0:
            scratch[n] = b','
            n += 1
        n += written
    if n > 0:
        set_text(out, span(scratch, n))


cdef void duration_value(const Operator *op, Record *record, Value *out) noexcept nogil:
    cdef uint64_t start = (<const uint64_t *>field(record, op.offset))[0]
    cdef uint64_t end = (<const uint64_t *>field(record, op.until))[0]
    if start != 0 and end >= start:
        set_number(out, <int64_t>((end - start) // op.unit))


cdef void time_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    write_time(op, wall_now_us() if op.now else record.start_wall_us, scratch, out)


cdef void write_time(const Operator *op, int64_t wall, char *scratch, Value *out) noexcept nogil:
    cdef Span pattern = op.text
    if pattern.len == 0 and not op.local:
        set_text(out, span(scratch, time_write_default(wall, scratch)))
        return
    if pattern.len == 0:
        pattern = span(b"%Y-%m-%dT%H:%M:%E3S%z", 21)
    set_text(out, span(scratch, time_write(pattern, wall, op.local, scratch, SCRATCH)))


cdef void unique_value(char *scratch, Value *out) noexcept nogil:
    # UUID version 4: 122 random bits. Seeded at every use because no generator is at hand that belongs to this thread.
    cdef const char *digits = b"0123456789abcdef"
    cdef Random random
    cdef uint64_t bits = 0
    cdef int i
    cdef int at = 0
    random_init(&random)
    for i in range(32):
        if i % 16 == 0:
            bits = random_u64(&random)
        if i == 12:
            bits = (bits & ~<uint64_t>15) | 4
        elif i == 16:
            bits = (bits & ~<uint64_t>15) | 8 | (bits & 3)
        if i == 8 or i == 12 or i == 16 or i == 20:
            scratch[at] = b'-'
            at += 1
        scratch[at] = digits[bits & 15]
        at += 1
        bits >>= 4
    set_text(out, span(scratch, at))


cdef void flags_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef size_t n = flags_write(record.flags, op.kind == OP_FLAGS_LONG, scratch) if record.flags != 0 else 0
    # No flag is a value of its own: "-" in text and in JSON alike.
    set_text(out, span(scratch, n) if n > 0 else span(b"-", 1))


cdef const Metadata *store_of(uint8_t owner, const Record *record) noexcept nogil:
    if owner == METADATA_ROUTE:
        return record.route_metadata
    if owner == METADATA_VIRTUAL_HOST:
        return record.host_metadata
    if owner == METADATA_CLUSTER:
        return record.cluster_metadata
    if owner == METADATA_UPSTREAM_HOST:
        return record.upstream_metadata
    if owner == METADATA_LISTENER:
        return record.listener_metadata
    return record.chain_metadata if owner == METADATA_FILTER_CHAIN else &record.metadata


cdef void metadata_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef const Metadata *store = store_of(op.part, record)
    cdef const MetaValue *value
    if store == NULL:
        return
    value = metadata_find(store, op.text, op.path, op.path_len)
    if value == NULL or value.kind == META_NULL:
        return
    if value.kind == META_TEXT:
        set_text(out, value.text)
        return
    out.kind = VALUE_JSON
    out.text = span(scratch, <size_t>(meta_json_write(value, scratch, scratch + SCRATCH) - scratch))


cdef void filter_state_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef const FilterStateItem *item = filter_state_find(&record.filter_state, op.text)
    cdef const MetaValue *member
    cdef MetaValue text
    if item == NULL:
        return
    if op.part == 2:
        # Only a map has fields; the objects that are messages have none in Envoy.
        member = meta_member(item.typed, op.path[0]) if item.map else NULL
        if member != NULL:
            set_text(out, member.text)
        return
    if op.part == 0:
        if item.text.at != NULL:
            set_text(out, item.text)
        return
    out.kind = VALUE_JSON
    if item.typed != NULL and not item.map and op.form != FORM_TOKEN:
        # Envoy leaves the names of a message's fields as they are in a JSON line alone.
        out.text = span(scratch, <size_t>(meta_message_write(item.typed, scratch, scratch + SCRATCH) - scratch))
        return
    text.kind = META_TEXT
    text.text = item.text
    out.text = span(scratch, <size_t>(meta_json_write(item.typed if item.typed != NULL else &text, scratch, scratch + SCRATCH) - scratch))


cdef void tls_value(const Operator *op, Record *record, Value *out) noexcept nogil:
    cdef TlsFacts *facts = (<TlsFacts **>field(record, op.offset))[0]
    cdef Span text
    if facts != NULL:
        text = tls_fact(facts, op.part)
        if text.len > 0:
            set_text(out, text)


cdef void tls_time_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef TlsFacts *facts = (<TlsFacts **>field(record, op.offset))[0]
    if facts != NULL and tls_fact(facts, FACT_SUBJECT).len > 0:
        write_time(op, (facts.not_after_s if op.part else facts.not_before_s) * 1000000, scratch, out)


cdef void coalesce_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef int i
    for i in range(op.choices_len):
        operator_value(&op.choices[i], record, scratch, out)
        if out.kind != VALUE_MISSING:
            return


cdef void rare_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    if op.kind == OP_HOST_NAME:
        host_name_value(op, record, scratch, out)
    elif op.kind == OP_ATTEMPTS:
        attempts_value(op, record, scratch, out)
    elif op.kind == OP_HEADER_BYTES:
        set_number(out, <int64_t>header_bytes(op, record))
    elif op.kind == OP_PATH:
        path_value(op, record, out)
    elif op.kind == OP_QUERY:
        query_value(op, record, scratch, out)
    elif op.kind == OP_QUERY_PARAM:
        query_parameter(op, record, scratch, out)
    elif op.kind == OP_GRPC_STATUS:
        grpc_status_value(op, record, scratch, out)
    elif op.kind == OP_TLS:
        tls_value(op, record, out)
    elif op.kind == OP_TLS_TIME:
        tls_time_value(op, record, scratch, out)
    elif op.kind == OP_XFCC:
        xfcc_value(op, record, scratch, out)
    elif op.kind == OP_COALESCE:
        coalesce_value(op, record, scratch, out)
    elif op.kind == OP_METADATA:
        metadata_value(op, record, scratch, out)
    elif op.kind == OP_FILTER_STATE:
        filter_state_value(op, record, scratch, out)
    elif op.kind == OP_LOG_TYPE:
        set_text(out, log_types[record.log_type])
    elif op.kind == OP_UNIQUE_ID:
        unique_value(scratch, out)
    elif op.kind == OP_CLOSE_TYPE:
        set_text(out, close_types[record.downstream_close])
    elif op.kind == OP_UPSTREAM_CLOSE_TYPE:
        if record.upstream_remote != NULL:
            set_text(out, close_types[record.upstream_close])
    elif op.kind == OP_LITERAL:
        # Only as a choice of COALESCE: elsewhere literals are copied without coming here.
        set_text(out, op.text)
    elif op.kind == OP_ZERO:
        set_number(out, 0)
    elif op.kind == OP_EMPTY:
        if not op.connected or record.upstream_local != NULL:
            set_text(out, span(b"", 0))


cdef void operator_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef Span text
    out.kind = VALUE_MISSING
    if op.kind == OP_HEADER:
        header_value_of(op, record, scratch, out)
    elif op.kind == OP_NUMBER64:
        set_number(out, <int64_t>(<const uint64_t *>field(record, op.offset))[0])
    elif op.kind == OP_NUMBER32:
        set_number(out, (<const uint32_t *>field(record, op.offset))[0])
    elif op.kind == OP_NUMBER16:
        set_number(out, (<const uint16_t *>field(record, op.offset))[0])
    elif op.kind == OP_SPAN_HOST:
        text = (<const Span *>field(record, op.offset))[0]
        if text.len > 0:
            set_text(out, host_like(text, scratch))
    elif op.kind == OP_SPAN or op.kind == OP_SPAN_OR_EMPTY or op.kind == OP_SPAN_UNDERSCORED:
        text = (<const Span *>field(record, op.offset))[0]
        if text.len > 0 or op.kind == OP_SPAN_OR_EMPTY:
            set_text(out, underscored(text, scratch) if op.kind == OP_SPAN_UNDERSCORED else text)
    elif op.kind == OP_ADDRESS:
        address_value(op, record, scratch, out)
    elif op.kind == OP_DURATION:
        duration_value(op, record, out)
    elif op.kind == OP_TIME:
        time_value(op, record, scratch, out)
    elif op.kind == OP_PROTOCOL:
        if record.protocol <= HTTP_3:
            set_text(out, protocols[record.protocol])
    elif op.kind == OP_UPSTREAM_PROTOCOL:
        if record.upstream_local != NULL and record.upstream_protocol <= HTTP_3:
            set_text(out, protocols[record.upstream_protocol])
    elif op.kind == OP_FLAGS or op.kind == OP_FLAGS_LONG:
        flags_value(op, record, scratch, out)
    else:
        rare_value(op, record, scratch, out)
    if op.limited and (out.kind == VALUE_TEXT or (out.kind == VALUE_JSON and op.form != FORM_TOKEN)) and out.text.len > op.limit:
        out.text.len = op.limit
