"""The rate limit service. See rate_limit_service.pxd for the law. Field numbers are those of its messages."""
from libc.string cimport memcpy, memset, strchr

from meshcore.base.arena cimport arena_copy, arena_take
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_hits
from meshcore.base.span cimport lower, span
from meshcore.codec.head cimport H_CONNECTION, H_CONTENT_LENGTH, H_HOST, H_TRANSFER_ENCODING, H_UPGRADE, head_identify
from meshcore.codec.protobuf cimport *
from meshcore.filter.grpc_call cimport GRPC_OK
from meshcore.route.rate_limit cimport RateEntry, rate_describe

cdef enum:
    OVER_LIMIT = 2                 # RateLimitResponse.Code
    NAME_MAX = 256                 # of a header


# --- the question ---------------------------------------------------------------------------------------------------


cdef void rate_descriptors_add(RateDescriptors *list, const RateRules *rules, int stage, Random *random, Head *request, Record *record,
                               Arena *arena) noexcept nogil:
    cdef RateDescriptor *grown
    cdef uint16_t i
    grown = <RateDescriptor *>arena_take(arena, sizeof(RateDescriptor) * (list.len + rules.len))
    if grown == NULL:
        return
    if list.len > 0:
        memcpy(grown, list.items, sizeof(RateDescriptor) * list.len)
    list.items = grown
    for i in range(rules.len):
        if stage >= 0 and rules.rules[i].stage != stage:
            continue
        if rules.rules[i].disable_key and not runtime_hits(&rules.rules[i].enabled, random_u64(random)):
            continue
        if rate_describe(&rules.rules[i], request, record, arena, &list.items[list.len]):
            list.items[list.len].hits_told &= stage < 0        # of a route's rules Envoy tells no hits
            list.len += 1


cdef inline size_t entry_size(const RateEntry *entry) noexcept nogil:
    return protobuf_text_size(entry.key.len) + protobuf_text_size(entry.value.len)


cdef inline size_t hits_size(uint64_t hits) noexcept nogil:
    # A UInt64Value; a zero is not written.
    return 1 + protobuf_size(hits) if hits > 0 else 0


cdef size_t descriptor_size(const RateDescriptor *descriptor) noexcept nogil:
    cdef size_t n = 0
    cdef uint16_t i
    for i in range(descriptor.len):
        n += protobuf_text_size(entry_size(&descriptor.entries[i]))
    if descriptor.hits_told:
        n += protobuf_text_size(hits_size(descriptor.hits))
    return n


cdef char *put_descriptor(char *out, const RateDescriptor *descriptor) noexcept nogil:
    cdef uint16_t i
    for i in range(descriptor.len):
        out = protobuf_put_head(out, 1, entry_size(&descriptor.entries[i]))
        out = protobuf_put_text(out, 1, descriptor.entries[i].key)
        out = protobuf_put_text(out, 2, descriptor.entries[i].value)
    if descriptor.hits_told:
        out = protobuf_put_head(out, 3, hits_size(descriptor.hits))
        if descriptor.hits > 0:
            out = protobuf_put_number(out, 1, descriptor.hits)
    return out


cdef Span rate_request_write(Span domain, const RateDescriptors *list, Arena *arena) noexcept nogil:
    cdef size_t n = protobuf_text_size(domain.len)
    cdef char *text
    cdef char *out
    cdef uint16_t i
    for i in range(list.len):
        n += protobuf_text_size(descriptor_size(&list.items[i]))
    text = <char *>arena_take(arena, n)
    if text == NULL:
        return span(NULL, 0)
    out = protobuf_put_text(text, 1, domain)
    for i in range(list.len):
        out = protobuf_put_head(out, 2, descriptor_size(&list.items[i]))
        out = put_descriptor(out, &list.items[i])
    return span(text, out - text)


cdef void rate_call_fill(GrpcCall *call, const RateLimitService *service) noexcept nogil:
    memset(call, 0, sizeof(GrpcCall))
    call.service = &service.grpc
    call.path = span(b"/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit", 60)
    call.timeout_ms = service.timeout_ms


# --- the answer -----------------------------------------------------------------------------------------------------


cdef bint keep(Span *text, Arena *arena) noexcept nogil:
    if text.len > 0:
        text.at = arena_copy(arena, text.at, text.len)
    return text.at != NULL or text.len == 0


cdef bint is_text(Span text) noexcept nogil:
    # Nothing that would end a field line.
    cdef uint32_t i
    cdef uint8_t byte
    for i in range(text.len):
        byte = <uint8_t>text.at[i]
        if byte < 32 and byte != 9 or byte == 127:
            return False
    return True


cdef bint fits(const RateHeader *header) noexcept nogil:
    # A service may not frame a message anew: such headers, and those that are none (RFC 9110, 5.6.2), are left out.
    cdef char lower_name[NAME_MAX]
    cdef uint8_t byte
    cdef uint32_t i
    cdef uint8_t id
    if header.name.len == 0 or header.name.len > NAME_MAX or not is_text(header.value):
        return False
    for i in range(header.name.len):
        byte = <uint8_t>header.name.at[i]
        if byte < 33 or byte > 126 or strchr(b"\"(),/:;<=>?@[\\]{}", byte) != NULL:
            return False
        lower_name[i] = lower(header.name.at[i])
    id = head_identify(lower_name, header.name.len)
    return id != H_CONTENT_LENGTH and id != H_TRANSFER_ENCODING and id != H_CONNECTION and id != H_UPGRADE and id != H_HOST


cdef bint read_header(Span message, Arena *arena, RateHeader ***last) noexcept nogil:
    cdef ProtobufReader reader = protobuf_reader(message)
    cdef RateHeader *header = <RateHeader *>arena_take(arena, sizeof(RateHeader))
    cdef ProtobufField field
    if header == NULL:
        return False
    memset(header, 0, sizeof(RateHeader))
    while protobuf_next(&reader, &field):
        if field.number == 1:
            header.name = field.bytes
        elif field.number == 2:
            header.value = field.bytes
    if fits(header):
        last[0][0] = header
        last[0] = &header.next
    return not reader.broken and keep(&header.name, arena) and keep(&header.value, arena)


cdef bint read_limit(Span message, Arena *arena, RateStatus *status) noexcept nogil:
    cdef ProtobufReader reader = protobuf_reader(message)
    cdef ProtobufField field
    while protobuf_next(&reader, &field):
        if field.number == 1:
            status.requests_per_unit = <uint32_t>field.value
        elif field.number == 2:
            status.unit = <uint32_t>field.value
        elif field.number == 3 and is_text(field.bytes):
            status.name = field.bytes
    return not reader.broken and keep(&status.name, arena)


cdef bint read_seconds(Span message, uint64_t *seconds) noexcept nogil:
    cdef ProtobufReader reader = protobuf_reader(message)
    cdef ProtobufField field
    while protobuf_next(&reader, &field):
        if field.number == 1:
            seconds[0] = field.value
    return not reader.broken


cdef bint read_status(Span message, Arena *arena, RateStatus ***last) noexcept nogil:
    cdef ProtobufReader reader = protobuf_reader(message)
    cdef ProtobufField field
    cdef RateStatus *status
    cdef bint limited = False
    cdef bint good = True
    status = <RateStatus *>arena_take(arena, sizeof(RateStatus))
    if status == NULL:
        return False
    memset(status, 0, sizeof(RateStatus))
    while good and protobuf_next(&reader, &field):
        if field.number == 2:
            limited = True
            good = read_limit(field.bytes, arena, status)
        elif field.number == 3:
            status.remaining = <uint32_t>field.value
        elif field.number == 4:
            good = read_seconds(field.bytes, &status.reset_s)
    if limited:
        last[0][0] = status
        last[0] = &status.next
    return good and not reader.broken


cdef bint read_answer(RateAnswer *answer, Span message, Arena *arena) noexcept nogil:
    cdef ProtobufReader reader = protobuf_reader(message)
    cdef RateHeader **request = &answer.request_headers
    cdef RateHeader **response = &answer.response_headers
    cdef RateStatus **status = &answer.statuses
    cdef ProtobufField field
    cdef bint good = True
    while good and protobuf_next(&reader, &field):
        if field.number == 1:
            answer.verdict = RATE_VERDICT_OVER_LIMIT if field.value == OVER_LIMIT else RATE_VERDICT_OK
        elif field.number == 2:
            good = read_status(field.bytes, arena, &status)
        elif field.number == 3:
            good = read_header(field.bytes, arena, &response)
        elif field.number == 4:
            good = read_header(field.bytes, arena, &request)
        elif field.number == 5:
            answer.body = field.bytes
            good = keep(&answer.body, arena)
        elif field.number == 6:
            answer.metadata = field.bytes
            good = keep(&answer.metadata, arena)
    return good and not reader.broken


cdef void rate_answer_read(RateAnswer *answer, int status, Span message, Arena *arena) noexcept nogil:
    memset(answer, 0, sizeof(RateAnswer))
    if status == GRPC_OK and read_answer(answer, message, arena):
        return
    memset(answer, 0, sizeof(RateAnswer))
    answer.verdict = RATE_VERDICT_ERROR
