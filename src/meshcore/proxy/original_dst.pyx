"""Hosts by original destination; see original_dst.pxd for the law."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from meshcore.base.clock cimport clock_ms
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport Span, parse_u64, span, span_trim
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.cluster.host cimport Host, HostSpec, host_new, host_unref
from meshcore.codec.head cimport Header, head_find_name, header_value
from meshcore.conf.stat_ids cimport CLUSTER_ORIGINAL_DST_HOST_INVALID
from meshcore.conf.tables cimport OriginalDstConf
from meshcore.observe.counters cimport gauge_add, stat_inc
from meshcore.observe.ip cimport address_parse
from meshcore.observe.metadata cimport META_TEXT, MetaValue, metadata_find
from meshcore.observe.record cimport IpAddress
from meshcore.proxy.connection cimport connection_local
from meshcore.proxy.engine cimport cluster_retire_host
from meshcore.proxy.objects cimport *
from meshcore.proxy.pool cimport POOLS_PER_HOST

cdef enum:
    FIRST_CAP = 8
    PORT_MAX = 65535


# --- addresses ------------------------------------------------------------------------------------------------------------


cdef bint parse_target(Span text, IpAddress *out) noexcept nogil:
    # "1.2.3.4:80" or "[::1]:80"; names are nobody's business here.
    cdef uint32_t colon = text.len
    cdef uint64_t port
    cdef Span host
    while colon > 0 and text.at[colon - 1] != b':':
        colon -= 1
    if colon < 2 or not parse_u64(span(text.at + colon, text.len - colon), &port) or port == 0 or port > PORT_MAX:
        return False
    host = span(text.at, colon - 1)
    if host.at[0] == b'[':
        if host.len < 3 or host.at[host.len - 1] != b']':
            return False
        host = span(host.at + 1, host.len - 2)
        if not address_parse(host, out) or out.family != 6:
            return False
    elif not address_parse(host, out) or out.family != 4:
        return False
    out.port = <uint16_t>port
    return True


cdef bint named(Stream *stream, Span text, IpAddress *out) noexcept nogil:
    if text.len == 0:
        return False
    if parse_target(text, out):
        return True
    stat_inc(stream.engine.stats, stream.cluster.conf.stats[CLUSTER_ORIGINAL_DST_HOST_INVALID])
    return False


cdef bint by_header(Stream *stream, const OriginalDstConf *conf, IpAddress *out) noexcept nogil:
    cdef Header *header = head_find_name(&stream.request, conf.header) if conf.header.len > 0 else NULL
    return header != NULL and named(stream, span_trim(header_value(header)), out)


cdef bint by_metadata(Stream *stream, const OriginalDstConf *conf, IpAddress *out) noexcept nogil:
    cdef const MetaValue *value
    if conf.namespace.len == 0:
        return False
    value = metadata_find(&stream.record.metadata, conf.namespace, conf.path, conf.path_len)
    return value != NULL and value.kind == META_TEXT and named(stream, value.text, out)


# --- hosts ----------------------------------------------------------------------------------------------------------------


cdef inline uint64_t hash_of(const IpAddress *address) noexcept nogil:
    return xxhash64(<const char *>address.bytes, 16, <uint64_t>address.port << 8 | address.family)


cdef bint same(const IpAddress *a, const IpAddress *b) noexcept nogil:
    cdef int i
    if a.family != b.family or a.port != b.port:
        return False
    for i in range(16 if a.family == 6 else 4):
        if a.bytes[i] != b.bytes[i]:
            return False
    return True


cdef void enter(OriginalHosts *hosts, uint32_t slot) noexcept nogil:
    cdef uint32_t at = <uint32_t>hash_of(&hosts.entries[slot].host.address) & hosts.index_mask
    while hosts.index[at] != 0:
        at = (at + 1) & hosts.index_mask
    hosts.index[at] = slot + 1


cdef void enter_all(OriginalHosts *hosts) noexcept nogil:
    cdef uint32_t slot
    memset(hosts.index, 0, (<size_t>hosts.index_mask + 1) * sizeof(uint32_t))
    for slot in range(hosts.cap):
        if hosts.entries[slot].host != NULL:
            enter(hosts, slot)


cdef bint grow(OriginalHosts *hosts) noexcept nogil:
    # The index has twice as many places as there may be hosts.
    cdef uint32_t cap = FIRST_CAP if hosts.cap == 0 else 2 * hosts.cap
    cdef OriginalHost *entries = <OriginalHost *>realloc(hosts.entries, cap * sizeof(OriginalHost))
    cdef uint32_t *index
    if entries == NULL:
        return False
    memset(entries + hosts.cap, 0, (cap - hosts.cap) * sizeof(OriginalHost))
    hosts.entries = entries
    index = <uint32_t *>calloc(2 * cap, sizeof(uint32_t))
    if index == NULL:
        return False
    free(hosts.index)
    hosts.index = index
    hosts.index_mask = 2 * cap - 1
    hosts.cap = cap
    enter_all(hosts)
    return True


cdef OriginalHost *find(OriginalHosts *hosts, const IpAddress *address) noexcept nogil:
    cdef uint32_t at
    cdef OriginalHost *entry
    if hosts.cap == 0:
        return NULL
    at = <uint32_t>hash_of(address) & hosts.index_mask
    while hosts.index[at] != 0:
        entry = &hosts.entries[hosts.index[at] - 1]
        if same(&entry.host.address, address):
            return entry
        at = (at + 1) & hosts.index_mask
    return NULL


cdef void count_members(ClusterLocal *cluster, int64_t n) noexcept nogil:
    cdef int i
    for i in range(2):
        gauge_add(cluster.engine.stats, cluster.conf.original_dst.members[i], n)


cdef OriginalHost *add(OriginalHosts *hosts, const IpAddress *address) noexcept nogil:
    cdef HostSpec spec
    cdef uint32_t slot
    if hosts.len == hosts.cap and not grow(hosts):
        return NULL
    while hosts.entries[hosts.next].host != NULL:
        hosts.next = (hosts.next + 1) % hosts.cap
    slot = hosts.next
    memset(&spec, 0, sizeof(HostSpec))
    spec.address = address[0]
    spec.slot = slot
    hosts.entries[slot].host = host_new(&spec)
    if hosts.entries[slot].host == NULL:
        return NULL
    hosts.len += 1
    enter(hosts, slot)
    return &hosts.entries[slot]


cdef Host *original_dst_pick(Stream *stream) noexcept nogil:
    cdef const OriginalDstConf *conf = stream.cluster.conf.original_dst
    cdef IpAddress address
    memset(&address, 0, sizeof(IpAddress))
    if not by_header(stream, conf, &address) and not by_metadata(stream, conf, &address):
        return original_dst_of(stream.cluster, &stream.down.conn) if stream.down != NULL else NULL
    return host_at(stream.cluster, &address)


cdef Host *original_dst_of(ClusterLocal *cluster, Connection *connection) noexcept nogil:
    cdef IpAddress address
    if connection.arrival == NULL or not connection.arrival.redirected:
        return NULL
    address = connection_local(connection)[0]
    return host_at(cluster, &address)


cdef Host *host_at(ClusterLocal *cluster, IpAddress *address) noexcept nogil:
    cdef OriginalHost *entry
    if cluster.conf.original_dst.port > 0:
        address.port = cluster.conf.original_dst.port
    entry = find(cluster.original, address)
    if entry == NULL:
        entry = add(cluster.original, address)
        count_members(cluster, 1 if entry != NULL else 0)
    if entry == NULL:
        return NULL
    entry.used = True
    return entry.host


# --- life -----------------------------------------------------------------------------------------------------------------


cdef bint in_use(ClusterLocal *cluster, uint32_t slot) noexcept nogil:
    cdef uint32_t at
    for at in range(POOLS_PER_HOST * slot, POOLS_PER_HOST * (slot + 1)):
        if at < cluster.pools_cap and cluster.pools[at] != NULL and cluster.pools[at].live > 0:
            return True
    return False


cdef void forget(ClusterLocal *cluster, uint32_t slot) noexcept nogil:
    cdef OriginalHost *entry = &cluster.original.entries[slot]
    cluster_retire_host(cluster, slot, entry.host)
    host_unref(entry.host)
    entry.host = NULL
    cluster.original.len -= 1
    count_members(cluster, -1)


cdef void on_cleanup(Timer *timer) noexcept nogil:
    cdef ClusterLocal *cluster = <ClusterLocal *>timer.owner
    cdef OriginalHosts *hosts = cluster.original
    cdef uint32_t before = hosts.len
    cdef uint32_t slot
    cluster.users += 1
    for slot in range(hosts.cap):
        if hosts.entries[slot].host == NULL:
            continue
        if hosts.entries[slot].used or in_use(cluster, slot):
            hosts.entries[slot].used = False
        else:
            forget(cluster, slot)
    if hosts.len != before:
        enter_all(hosts)
    cluster.users -= 1             # the engine's own use is still there: the timer ends with it
    wheel_arm(&cluster.engine.loop.wheel, timer, clock_ms(&cluster.engine.loop.clock) + cluster.conf.original_dst.cleanup_ms)


cdef bint original_dst_init(ClusterLocal *cluster) noexcept nogil:
    cluster.original = <OriginalHosts *>calloc(1, sizeof(OriginalHosts))
    if cluster.original == NULL:
        return False
    timer_init(&cluster.original.cleanup, on_cleanup, cluster)
    wheel_arm(&cluster.engine.loop.wheel, &cluster.original.cleanup,
              clock_ms(&cluster.engine.loop.clock) + cluster.conf.original_dst.cleanup_ms)
    return True


cdef void original_dst_fini(ClusterLocal *cluster) noexcept nogil:
    cdef OriginalHosts *hosts = cluster.original
    cdef uint32_t slot
    if hosts == NULL:
        return
    timer_cancel(&cluster.engine.loop.wheel, &hosts.cleanup)
    count_members(cluster, -<int64_t>hosts.len)
    for slot in range(hosts.cap):
        host_unref(hosts.entries[slot].host)
    free(hosts.entries)
    free(hosts.index)
    free(hosts)
    cluster.original = NULL
