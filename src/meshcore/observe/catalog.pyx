"""The operators, one row each: Envoy 1.40's names on the left, the step they compile to on the right. See catalog.pxd.

An operator that reads one field of the Record is nothing but its row here; a new one is a row, and a field in record.pxd. Operators
that only a TLS connection, a filter or a tracer gives a value to are in ABSENT: legal, and missing. What Envoy has and this program
cannot do is in REFUSED, so that the error can say so. Filled at import; main thread only.
"""
from libc.string cimport memcmp, memset

from meshcore.base.span cimport lower, span
from meshcore.observe.operator cimport *
from meshcore.observe.record cimport Record
from meshcore.observe.tls_facts cimport *

cdef enum:
    CAP = 256
    NAME_MAX = 48

cdef Entry entries[CAP]
cdef int entries_len = 0
cdef Span points[16]
cdef int point_offsets[16]
cdef int points_len = 0
cdef Record blank
_keep = []                         # the bytes that the names point into


cdef Entry *_row(str name, int kind, size_t offset=0, int part=0):
    global entries_len
    cdef Entry *entry = &entries[entries_len]
    cdef bytes text = name.encode()
    assert entries_len < CAP and len(text) < NAME_MAX
    entries_len += 1
    memset(entry, 0, sizeof(Entry))
    _keep.append(text)
    entry.name = span(text, len(text))
    entry.step.kind = <uint8_t>kind
    entry.step.offset = <uint16_t>offset
    entry.step.part = <uint8_t>part
    entry.step.other_id = PSEUDO_NONE
    return entry


cdef size_t _at(void *field):
    return <size_t>(<char *>field - <char *>&blank)


cdef _address(str name, void *field, void *fallback=NULL, bint connected=False):
    cdef Entry *entry
    for suffix, part in (("_ADDRESS", ADDRESS_WHOLE), ("_ADDRESS_WITHOUT_PORT", ADDRESS_HOST), ("_PORT", ADDRESS_PORT)):
        entry = _row(name + suffix, OP_ADDRESS, _at(field), part)
        entry.step.connected = connected
        entry.step.until = 0 if fallback == NULL else <uint16_t>_at(fallback)
        if part == ADDRESS_HOST:
            entry.argument = ARGUMENT_OPTIONAL
            entry.grammar = GRAMMAR_PREFIX


cdef _duration(str name, void *start, void *end):
    cdef Entry *entry = _row(name, OP_DURATION, _at(start))
    entry.step.until = <uint16_t>_at(end)
    entry.step.unit = 1000000


cdef _header(names, int source):
    cdef Entry *entry
    for name in names:
        entry = _row(name, OP_HEADER)
        entry.step.head = <uint8_t>source
        entry.argument = ARGUMENT_REQUIRED
        entry.grammar = GRAMMAR_HEADER
        entry.length = True


cdef _point(str name, void *field):
    global points_len
    cdef bytes text = name.encode()
    _keep.append(text)
    points[points_len] = span(text, len(text))
    point_offsets[points_len] = <int>_at(field)
    points_len += 1


cdef _times():
    cdef Entry *entry
    for name, now, local in (("START_TIME", False, False), ("START_TIME_LOCAL", False, True), ("EMIT_TIME", True, False),
                             ("EMIT_TIME_LOCAL", True, True)):
        entry = _row(name, OP_TIME)
        entry.step.now = now
        entry.step.local = local
        entry.argument = ARGUMENT_OPTIONAL
        entry.grammar = GRAMMAR_TIME
    _duration("DURATION", &blank.start_ns, &blank.end_ns)
    _duration("REQUEST_DURATION", &blank.start_ns, &blank.request_end_ns)
    _duration("REQUEST_TX_DURATION", &blank.start_ns, &blank.upstream_last_tx_ns)
    _duration("RESPONSE_DURATION", &blank.start_ns, &blank.upstream_first_rx_ns)
    _duration("RESPONSE_TX_DURATION", &blank.upstream_first_rx_ns, &blank.response_end_ns)
    _duration("UPSTREAM_CONNECTION_POOL_READY_DURATION", &blank.start_ns, &blank.upstream_connected_ns)
    entry = _row("COMMON_DURATION", OP_DURATION)
    entry.argument = ARGUMENT_REQUIRED
    entry.grammar = GRAMMAR_DURATION
    _point("DS_RX_BEG", &blank.start_ns)
    _point("DS_RX_END", &blank.request_end_ns)
    _point("US_CX_BEG", &blank.upstream_connect_start_ns)
    _point("US_CX_END", &blank.upstream_connect_end_ns)
    _point("US_TX_BEG", &blank.upstream_first_tx_ns)
    _point("US_TX_END", &blank.upstream_last_tx_ns)
    _point("US_RX_BEG", &blank.upstream_first_rx_ns)
    _point("US_RX_END", &blank.upstream_last_rx_ns)
    _point("DS_TX_BEG", &blank.response_first_tx_ns)
    _point("DS_TX_END", &blank.response_end_ns)


cdef _heads():
    cdef Entry *entry
    cdef int source = 0
    _header(("REQ", "REQUEST_HEADER"), HEAD_REQUEST)
    _header(("RESP", "RESPONSE_HEADER"), HEAD_RESPONSE)
    _header(("TRAILER", "RESPONSE_TRAILER"), HEAD_TRAILERS)
    for name in ("REQUEST_HEADERS_BYTES", "RESPONSE_HEADERS_BYTES", "RESPONSE_TRAILERS_BYTES"):
        entry = _row(name, OP_HEADER_BYTES)
        entry.step.head = <uint8_t>source
        source += 1
    entry = _row("PATH", OP_PATH)
    entry.argument = ARGUMENT_OPTIONAL
    entry.grammar = GRAMMAR_PATH
    entry.length = True
    entry = _row("REQ_WITHOUT_QUERY", OP_HEADER)
    entry.argument = ARGUMENT_OPTIONAL
    entry.grammar = GRAMMAR_HEADER_WITHOUT_QUERY
    entry.length = True
    entry = _row("QUERY_PARAMS", OP_QUERY)
    entry.argument = ARGUMENT_OPTIONAL
    entry.grammar = GRAMMAR_QUERY
    entry.length = True
    entry = _row("QUERY_PARAM", OP_QUERY_PARAM)
    entry.argument = ARGUMENT_REQUIRED
    entry.grammar = GRAMMAR_PARAMETER
    entry.length = True
    entry = _row("XFCC_VALUE", OP_XFCC)
    entry.argument = ARGUMENT_REQUIRED
    entry.grammar = GRAMMAR_XFCC
    entry.length = True
    for name in ("GRPC_STATUS", "GRPC_STATUS_NUMBER"):
        entry = _row(name, OP_GRPC_STATUS)
    entry.step.part = GRPC_NUMBER
    entry -= 1
    entry.argument = ARGUMENT_OPTIONAL
    entry.grammar = GRAMMAR_GRPC
    _row("PROTOCOL", OP_PROTOCOL)
    _row("UPSTREAM_PROTOCOL", OP_UPSTREAM_PROTOCOL)


cdef _numbers():
    _row("BYTES_RECEIVED", OP_NUMBER64, _at(&blank.bytes_received))
    _row("BYTES_SENT", OP_NUMBER64, _at(&blank.bytes_sent))
    _row("CONNECTION_ID", OP_NUMBER64, _at(&blank.connection_id))
    _row("UPSTREAM_CONNECTION_ID", OP_NUMBER64, _at(&blank.upstream_connection_id))
    _row("RESPONSE_CODE", OP_NUMBER16, _at(&blank.status))
    _row("UPSTREAM_REQUEST_ATTEMPT_COUNT", OP_NUMBER32, _at(&blank.attempts))
    _row("ROUTE_RESOLUTION_COUNT", OP_NUMBER32, _at(&blank.route_resolutions))
    _row("DOWNSTREAM_WIRE_BYTES_RECEIVED", OP_NUMBER64, _at(&blank.downstream_wire_rx))
    _row("DOWNSTREAM_WIRE_BYTES_SENT", OP_NUMBER64, _at(&blank.downstream_wire_tx))
    _row("UPSTREAM_WIRE_BYTES_RECEIVED", OP_NUMBER64, _at(&blank.upstream_wire_rx))
    _row("UPSTREAM_WIRE_BYTES_SENT", OP_NUMBER64, _at(&blank.upstream_wire_tx))
    for infix in ("HEADER_BYTES", "DECOMPRESSED_HEADER_BYTES"):
        _row(f"DOWNSTREAM_{infix}_RECEIVED", OP_NUMBER64, _at(&blank.downstream_header_rx))
        _row(f"DOWNSTREAM_{infix}_SENT", OP_NUMBER64, _at(&blank.downstream_header_tx))
        _row(f"UPSTREAM_{infix}_RECEIVED", OP_NUMBER64, _at(&blank.upstream_header_rx))
        _row(f"UPSTREAM_{infix}_SENT", OP_NUMBER64, _at(&blank.upstream_header_tx))
    # QUIC counts these; on TCP Envoy prints 0.
    for name in ("BYTES_RETRANSMITTED", "PACKETS_RETRANSMITTED", "DOWNSTREAM_CX_RTT"):
        _row(name, OP_ZERO)


cdef _texts():
    cdef Entry *entry = _row("RESPONSE_CODE_DETAILS", OP_SPAN_UNDERSCORED, _at(&blank.details))
    entry.argument = ARGUMENT_OPTIONAL
    entry.grammar = GRAMMAR_DETAILS
    _row("CONNECTION_TERMINATION_DETAILS", OP_SPAN, _at(&blank.termination))
    _row("UPSTREAM_TRANSPORT_FAILURE_REASON", OP_SPAN_UNDERSCORED, _at(&blank.upstream_failure))
    _row("DOWNSTREAM_TRANSPORT_FAILURE_REASON", OP_SPAN_UNDERSCORED, _at(&blank.downstream_failure))
    _row("DOWNSTREAM_LOCAL_CLOSE_REASON", OP_SPAN, _at(&blank.downstream_close_reason))
    _row("UPSTREAM_LOCAL_CLOSE_REASON", OP_SPAN, _at(&blank.upstream_close_reason))
    _row("DOWNSTREAM_DETECTED_CLOSE_TYPE", OP_CLOSE_TYPE)
    _row("UPSTREAM_DETECTED_CLOSE_TYPE", OP_UPSTREAM_CLOSE_TYPE)
    _row("ROUTE_NAME", OP_SPAN, _at(&blank.route_name))
    _row("VIRTUAL_CLUSTER_NAME", OP_SPAN, _at(&blank.virtual_cluster))
    _row("REQUESTED_SERVER_NAME", OP_SPAN_HOST, _at(&blank.server_name))
    _row("FILTER_CHAIN_NAME", OP_SPAN, _at(&blank.filter_chain))
    _row("UPSTREAM_CLUSTER", OP_SPAN, _at(&blank.cluster_stat_name))
    _row("UPSTREAM_CLUSTER_RAW", OP_SPAN, _at(&blank.cluster))
    _row("STREAM_ID", OP_SPAN, _at(&blank.stream_id))
    _row("LOCAL_REPLY_BODY", OP_SPAN_OR_EMPTY, _at(&blank.local_body))
    _row("RESPONSE_FLAGS", OP_FLAGS)
    _row("RESPONSE_FLAGS_LONG", OP_FLAGS_LONG)
    _row("ACCESS_LOG_TYPE", OP_LOG_TYPE)
    _row("UNIQUE_ID", OP_UNIQUE_ID)
    _row("CUSTOM_FLAGS", OP_EMPTY)
    _row("DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", OP_EMPTY)
    _row("DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID", OP_EMPTY)
    entry = _row("UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID", OP_EMPTY)
    entry.step.connected = True
    entry = _row("HOSTNAME", OP_LITERAL)
    entry.grammar = GRAMMAR_HOSTNAME
    entry = _row("ENVIRONMENT", OP_LITERAL)
    entry.argument = ARGUMENT_REQUIRED
    entry.grammar = GRAMMAR_ENVIRONMENT
    entry.length = True
    entry = _row("COALESCE", OP_COALESCE)
    entry.argument = ARGUMENT_REQUIRED
    entry.grammar = GRAMMAR_COALESCE
    entry.length = True


cdef _addresses():
    _address("DOWNSTREAM_REMOTE", &blank.downstream_remote)
    _address("DOWNSTREAM_DIRECT_REMOTE", &blank.downstream_direct_remote)
    _address("DOWNSTREAM_LOCAL", &blank.downstream_local)
    _address("DOWNSTREAM_DIRECT_LOCAL", &blank.downstream_direct_local, &blank.downstream_local)
    _address("UPSTREAM_REMOTE", &blank.upstream_remote, NULL, True)
    _address("UPSTREAM_LOCAL", &blank.upstream_local)
    _row("UPSTREAM_HOST", OP_ADDRESS, _at(&blank.upstream_remote), ADDRESS_WHOLE)
    _row("UPSTREAM_HOST_NAME", OP_HOST_NAME, 0, 0)
    _row("UPSTREAM_HOST_NAME_WITHOUT_PORT", OP_HOST_NAME, 0, 1)
    _row("UPSTREAM_HOSTS_ATTEMPTED", OP_ATTEMPTS, 0, ATTEMPT_ADDRESS)
    _row("UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT", OP_ATTEMPTS, 0, ATTEMPT_HOST)
    _row("UPSTREAM_HOST_NAMES_ATTEMPTED", OP_ATTEMPTS, 0, ATTEMPT_NAME)
    _row("UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT", OP_ATTEMPTS, 0, ATTEMPT_NAME_WITHOUT_PORT)
    _row("UPSTREAM_CONNECTION_IDS_ATTEMPTED", OP_ATTEMPTS, 0, ATTEMPT_CONNECTION_ID)


# Behind DOWNSTREAM_ and UPSTREAM_, and behind DOWNSTREAM_ alone.
TLS = {
    "TLS_CIPHER": FACT_CIPHER,
    "TLS_VERSION": FACT_VERSION,
    "TLS_SESSION_ID": FACT_SESSION_ID,
    "PEER_SUBJECT": FACT_SUBJECT,
    "PEER_ISSUER": FACT_ISSUER,
    "PEER_CERT": FACT_CERT,
    "PEER_URI_SAN": FACT_URI_SANS,
    "PEER_DNS_SAN": FACT_DNS_SANS,
    "PEER_IP_SAN": FACT_IP_SANS,
    "TLS_GROUP": FACT_GROUP,
    "LOCAL_URI_SAN": FACT_LOCAL_URI_SANS,
    "LOCAL_DNS_SAN": FACT_LOCAL_DNS_SANS,
    "LOCAL_IP_SAN": FACT_LOCAL_IP_SANS,
}
TLS_OF_CLIENTS = {
    "PEER_SERIAL": FACT_SERIAL,
    "PEER_FINGERPRINT_1": FACT_SHA1,
    "PEER_FINGERPRINT_256": FACT_SHA256,
    "PEER_EMAIL_SAN": FACT_EMAIL_SANS,
    "PEER_OTHERNAME_SAN": FACT_OTHER_SANS,
    "PEER_CHAIN_FINGERPRINTS_1": FACT_CHAIN_SHA1,
    "PEER_CHAIN_FINGERPRINTS_256": FACT_CHAIN_SHA256,
    "PEER_CHAIN_SERIALS": FACT_CHAIN_SERIALS,
    "PEER_ISSUER_SERIAL": FACT_ISSUER_SERIAL,
    "PEER_ISSUER_FINGERPRINT_256": FACT_ISSUER_SHA256,
    "LOCAL_SUBJECT": FACT_LOCAL_SUBJECT,
    "LOCAL_EMAIL_SAN": FACT_LOCAL_EMAIL_SANS,
    "LOCAL_OTHERNAME_SAN": FACT_LOCAL_OTHER_SANS,
}
ABSENT = "ROUNDTRIP_DURATION DOWNSTREAM_HANDSHAKE_DURATION TRACE_ID SPAN_ID TLS_JA3_FINGERPRINT TLS_JA4_FINGERPRINT"
ABSENT_WITH_ARGUMENT = "UPSTREAM_FILTER_STATE"
REFUSED = "CEL TYPED_CEL FILE_CONTENT SECRET DYNAMIC_MODULE ROUTE_RESOLUTION_TIME_US"


cdef _tls():
    for name, fact in {**TLS, **TLS_OF_CLIENTS}.items():
        _row(f"DOWNSTREAM_{name}", OP_TLS, _at(&blank.downstream_tls), fact)
    for name, fact in TLS.items():
        _row(f"UPSTREAM_{name}", OP_TLS, _at(&blank.upstream_tls), fact)
    _row("UPSTREAM_SERVER_NAME", OP_TLS, _at(&blank.upstream_tls), FACT_ASKED)
    _validity("DOWNSTREAM", &blank.downstream_tls)
    _validity("UPSTREAM", &blank.upstream_tls)


cdef _validity(str side, void *facts):
    cdef Entry *entry
    for name, end in (("START", 0), ("END", 1)):
        entry = _row(f"{side}_PEER_CERT_V_{name}", OP_TLS_TIME, _at(facts), end)
        entry.argument = ARGUMENT_OPTIONAL
        entry.grammar = GRAMMAR_TIME


cdef _absent():
    cdef Entry *entry
    for name in ABSENT.split():
        _row(name, OP_ABSENT)
    for name in ABSENT_WITH_ARGUMENT.split():
        entry = _row(name, OP_ABSENT)
        entry.argument = ARGUMENT_REQUIRED
        entry.grammar = GRAMMAR_FILTER_STATE
        entry.length = True
    for name in REFUSED.split():
        entry = _row(name, OP_ABSENT)
        entry.argument = ARGUMENT_OPTIONAL
        entry.grammar = GRAMMAR_REFUSED
        entry.length = True


cdef _stores():
    cdef Entry *entry
    for name, kind, part, grammar in (
        ("DYNAMIC_METADATA", OP_METADATA, METADATA_DYNAMIC, GRAMMAR_DYNAMIC), ("METADATA", OP_METADATA, 0, GRAMMAR_METADATA),
        ("CLUSTER_METADATA", OP_METADATA, METADATA_CLUSTER, GRAMMAR_DYNAMIC),
        ("UPSTREAM_METADATA", OP_METADATA, METADATA_UPSTREAM_HOST, GRAMMAR_DYNAMIC),
        ("FILTER_STATE", OP_FILTER_STATE, 0, GRAMMAR_FILTER_STATE),
    ):
        entry = _row(name, kind, 0, part)
        entry.argument = ARGUMENT_REQUIRED
        entry.grammar = grammar
        entry.length = part != METADATA_CLUSTER and part != METADATA_UPSTREAM_HOST


_times()
_heads()
_numbers()
_texts()
_addresses()
_tls()
_absent()
_stores()


cdef const Entry *catalog_find(Span name) noexcept nogil:
    cdef int i
    for i in range(entries_len):
        if entries[i].name.len == name.len and memcmp(entries[i].name.at, name.at, name.len) == 0:
            return &entries[i]
    return NULL


cdef int catalog_time_point(Span name) noexcept nogil:
    cdef int i
    for i in range(points_len):
        if points[i].len == name.len and memcmp(points[i].at, name.at, name.len) == 0:
            return point_offsets[i]
    return -1


cdef int distance(Span a, Span b) noexcept nogil:
    # Edits between two names, letters compared apart from case; CAP when one of them is too long to be a name.
    cdef int row[NAME_MAX + 1]
    cdef int diagonal, above, i, j
    if a.len > NAME_MAX or b.len > NAME_MAX:
        return CAP
    for j in range(<int>b.len + 1):
        row[j] = j
    for i in range(<int>a.len):
        diagonal = row[0]
        row[0] = i + 1
        for j in range(<int>b.len):
            above = row[j + 1]
            if lower(a.at[i]) != lower(b.at[j]):
                diagonal += 1
            row[j + 1] = min(diagonal, min(above, row[j]) + 1)
            diagonal = above
    return row[b.len]


cdef Span catalog_nearest(Span name) noexcept nogil:
    cdef Span best = span(NULL, 0)
    cdef int least = 1 + <int>name.len // 3
    cdef int edits
    cdef int i
    for i in range(entries_len):
        edits = distance(name, entries[i].name)
        if edits <= least:
            least = edits - 1
            best = entries[i].name
    return best
