"""Makes host sets of endpoints (spec.py), and keeps hosts the same over all sets of a cluster, with their connections and counters.

Main thread, with the GIL; the sets themselves are built without it. An endpoint is the same host as before when address, host name, place
and metadata are the same; weight, priority and health may change. Health bits that the configuration decides come with the endpoints, the
others through `set_health`, and stay with the host.
"""
import json

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from meshcore.base.arena cimport Arena, arena_fini, arena_init
from meshcore.base.atomics cimport atomic_load, atomic_store
from meshcore.base.clock cimport monotonic_ns
from meshcore.base.span cimport Span, span
from meshcore.bind.address cimport address_fill
from meshcore.bind.metadata cimport metadata_fill
from meshcore.bind.outlier cimport outlier_ref
from meshcore.bind.subsets cimport subsets_attach
from meshcore.cluster.balancer cimport LB_MAGLEV, LB_RING_HASH, balancer_prepare
from meshcore.cluster.host cimport *
from meshcore.cluster.host_set cimport *
from meshcore.cluster.lb_maglev cimport lb_maglev_sizes
from meshcore.cluster.lb_ring_hash cimport lb_ring_hash_sizes
from meshcore.cluster.outlier cimport OUTLIER_TOTALS, outlier_take_totals
from meshcore.cluster.subset cimport Subsets
from meshcore.conf.tables cimport cluster_conf_unref
from meshcore.observe.metadata cimport Metadata, metadata_pack
from meshcore.observe.record cimport IpAddress

# The bits of a host's health, by the names that /clusters prints, in its order.
HEALTH_BITS = {
    "failed_active_hc": HEALTH_FAILED_ACTIVE, "failed_outlier_check": HEALTH_FAILED_OUTLIER, "failed_eds_health": HEALTH_FAILED_EDS,
    "degraded_active_hc": HEALTH_DEGRADED_ACTIVE, "degraded_eds_health": HEALTH_DEGRADED_EDS,
    "pending_dynamic_removal": HEALTH_PENDING_DYNAMIC_REMOVAL, "pending_active_hc": HEALTH_PENDING_ACTIVE,
    "excluded_via_immediate_hc_fail": HEALTH_EXCLUDED, "active_hc_timeout": HEALTH_ACTIVE_TIMEOUT,
    "eds_status_draining": HEALTH_DRAINING_EDS, "degraded_outlier_detection": HEALTH_DEGRADED_OUTLIER,
}
CONFIGURED = {
    "said_healthy": HEALTH_SAID_HEALTHY, "unhealthy": HEALTH_FAILED_EDS, "timeout": HEALTH_FAILED_EDS | HEALTH_SAID_TIMEOUT,
    "draining": HEALTH_DRAINING_EDS, "degraded": HEALTH_DEGRADED_EDS,
}
cdef frozenset NONE = frozenset()
STATS = ("cx_active", "cx_total", "cx_connect_fail", "rq_active", "rq_total", "rq_success", "rq_error", "rq_timeout")


cdef Span peek(bytes text):
    return span(<const char *>text, len(text))


cdef Metadata *facts_of(str text) except NULL:
    # A host's metadata as a tree, which belongs to the caller.
    cdef Arena arena
    cdef Metadata store
    cdef Metadata *packed
    memset(&store, 0, sizeof(Metadata))
    arena_init(&arena, NULL)
    try:
        metadata_fill(&arena, json.loads(text), &store)
        packed = metadata_pack(&store)
    finally:
        arena_fini(&arena)
    if packed == NULL:
        raise MemoryError
    return packed


cdef class HostRef:
    """One host; keeps it alive."""

    def __dealloc__(self):
        host_unref(self.host)


cdef class HostSetRef:
    """An immutable set of hosts, ready to be published."""

    def __dealloc__(self):
        host_set_unref(self.hosts)

    def membership(self):
        """(total, healthy, degraded, excluded) hosts."""
        return self.hosts.len, self.hosts.healthy_len, self.hosts.degraded_len, self.hosts.excluded_len

    def gauges(self):
        """{stat: value} of rings, tables and subsets."""
        cdef uint64_t size = 0
        cdef uint64_t least = 0
        cdef uint64_t most = 0
        if self.kind == LB_RING_HASH:
            lb_ring_hash_sizes(self.hosts, &size, &least, &most)
            return {"ring_hash_lb.size": size, "ring_hash_lb.min_hashes_per_host": least, "ring_hash_lb.max_hashes_per_host": most}
        if self.kind == LB_MAGLEV:
            lb_maglev_sizes(self.hosts, &least, &most)
            return {"maglev_lb.min_entries_per_host": least, "maglev_lb.max_entries_per_host": most}
        return {}

    def subsets(self):
        """(how many subsets there are, hosts that a subset of one host has beyond it); None: hosts are not divided."""
        if self.hosts.subsets == NULL:
            return None
        return (<Subsets *>self.hosts.subsets).len, self.collisions

    def loads(self):
        """[(healthy %, degraded %, panic)] by priority: how the load divides."""
        return [(self.hosts.load.healthy[i], self.hosts.load.degraded[i], bool(self.hosts.priorities[i].panic))
                for i in range(self.hosts.priorities_len)]


def place_order(locality):
    """Sorts localities as Envoy does, by name."""
    return (locality.region, locality.zone, locality.sub_zone)


cdef class ClusterHosts:
    """The hosts of one cluster."""

    def __cinit__(self, spec):
        self.spec = spec
        self.known = {}
        self.endpoints = ()
        self.refs = []
        self.subsets = NONE
        if spec.health_check is not None:
            self.unchecked = HEALTH_FAILED_ACTIVE | (HEALTH_PENDING_ACTIVE if spec.ignore_new_hosts_until_first_hc else 0)

    def __dealloc__(self):
        cluster_conf_unref(self.conf)

    cdef HostRef host_of(self, endpoint, tuple key):
        cdef HostRef ref = self.known.get(key)
        cdef HostSpec made
        if ref is not None:
            return ref
        place = endpoint.locality
        hostname, metadata, hash_key = endpoint.hostname.encode(), endpoint.metadata.encode(), endpoint.hash_key.encode()
        region, zone, sub_zone = place.region.encode(), place.zone.encode(), place.sub_zone.encode()
        memset(&made, 0, sizeof(HostSpec))
        address_fill(endpoint.address, &made.address)
        self.fill_dials(endpoint, &made)
        made.hostname = peek(hostname)
        made.metadata = peek(metadata)
        made.hash_key = peek(hash_key)
        made.region = peek(region)
        made.zone = peek(zone)
        made.sub_zone = peek(sub_zone)
        made.canary = endpoint.canary
        made.socket = self.socket_of(endpoint)
        made.slot = self.free_slots.pop() if self.free_slots else self.next_slot
        ref = HostRef()
        ref.host = host_new(&made)
        free(<void *>made.dials)
        if made.address.family == 1:
            free(<void *>made.address.path)
        if ref.host == NULL:
            raise MemoryError
        if endpoint.metadata:
            ref.host.facts = facts_of(endpoint.metadata)
        if self.outlier != NULL:
            ref.host.outlier = self.inbox.watch(self.outlier)
        if endpoint.check is None or not endpoint.check.disabled:
            ref.host.health = self.unchecked
        self.next_slot = max(self.next_slot, made.slot + 1)
        self.known[key] = ref
        return ref

    cdef uint32_t socket_of(self, endpoint) except? 0:
        # Host.socket; counted once per host.
        cdef uint32_t place
        if not self.spec.socket_matches:
            return 0
        place = self.spec.socket_of(endpoint)
        name = self.spec.socket_matches[place - 1].name if place else "default"
        if self.matched is None:
            self.matched = {}
        self.matched[name] = self.matched.get(name, 0) + 1
        return place

    cdef int fill_dials(self, endpoint, HostSpec *made) except -1:
        cdef IpAddress *dials
        if not endpoint.additional:
            return 0
        order = self.spec.happy_eyeballs.order((endpoint.address, *endpoint.additional))
        dials = <IpAddress *>calloc(len(order), sizeof(IpAddress))
        if dials == NULL:
            raise MemoryError
        for i, address in enumerate(order):
            address_fill(address, &dials[<int>i])
        made.dials = dials
        made.dials_len = <uint32_t>len(order)
        return 0

    cdef int count(self, str name, uint32_t n) except -1:
        if n:
            if self.counts is None:
                self.counts = {}
            self.counts[name] = self.counts.get(name, 0) + n
        return 0

    cdef HostSetRef build(self):
        cdef HostSetRef result = HostSetRef()
        cdef HostRef ref
        cdef Shape shape
        cdef uint32_t n = <uint32_t>len(self.endpoints)
        cdef uint32_t i
        cdef Member *members
        cdef Group *groups
        cdef const HostSet *local = NULL
        cdef bint ready
        result.kind = self.lb.kind
        own = self.spec.own_locality
        places = sorted({(e.priority, e.locality) for e in self.endpoints},
                        key=lambda place: (place[0], place[1] != own or not any(place_order(own)), place_order(place[1])))
        number = {place: i for i, place in enumerate(places)}
        members = <Member *>calloc(n + 1, sizeof(Member))
        groups = <Group *>calloc(len(places) + 1, sizeof(Group))
        try:
            if members == NULL or groups == NULL:
                raise MemoryError
            for i, endpoint in enumerate(self.endpoints):
                ref = self.refs[i]
                members[i].host = ref.host
                members[i].weight = endpoint.weight
                members[i].group = number[endpoint.priority, endpoint.locality]
                groups[members[i].group].weight = endpoint.locality_weight
                ref.host.priority = endpoint.priority
            for i, (priority, locality) in enumerate(places):
                groups[i].priority = priority
                groups[i].local = locality == own and any(place_order(own))
            shape.groups = groups
            shape.groups_len = <uint32_t>len(places)
            shape.priorities = 1 + max([priority for priority, _ in places], default=0)
            shape.overprovisioning = self.spec.overprovisioning_factor
            shape.weighted_health = self.spec.weighted_priority_health
            shape.plain = False
            if self.local is not None:
                local = self.local.hosts
            with nogil:
                result.hosts = host_set_new(members, n, &shape, 0)
                ready = result.hosts != NULL and balancer_prepare(result.hosts, self.lb, local) and host_set_index(result.hosts)
            if not ready:
                raise MemoryError
            if self.spec.lb.subsets is not None:
                keys, result.collisions = subsets_attach(
                    result.hosts, members, &shape, self.lb, local, self.spec.lb.subsets, self.endpoints)
                self.count("lb_subsets_created", len(keys - self.subsets))
                self.count("lb_subsets_removed", len(self.subsets - keys))
                self.subsets = frozenset(keys)
        finally:
            free(members)
            free(groups)
        if local != NULL:
            self.count("lb_recalculate_zone_structures", 1)
            if result.hosts.zones.too_small:
                self.count("lb_zone_cluster_too_small", 1)
        self.last = result
        return result

    def host_set(self, endpoints):
        """An immutable set of these endpoints (a tuple of spec.Endpoint), prepared for the cluster's balancer."""
        cdef HostRef ref
        cdef int64_t bits
        cdef dict kept = {}
        cdef dict before = self.known
        for endpoint in endpoints:
            key = (endpoint.address, endpoint.hostname, endpoint.locality, endpoint.metadata, endpoint.additional,
                   endpoint.locality_socket_labels, 0)
            while key in kept:
                key = (*key[:6], key[6] + 1)
            ref = self.host_of(endpoint, key)
            kept[key] = ref
            bits = atomic_load(&ref.host.health) & ~<int64_t>HEALTH_CONFIGURED_BITS | <int64_t>CONFIGURED.get(endpoint.health, 0)
            set_bits(ref.host, bits)
        for key in before.keys() - kept.keys():
            ref = before[key]
            if self.free_slots is None:
                self.free_slots = []
            self.free_slots.append(ref.host.slot)
        self.known = kept
        self.refs = list(kept.values())
        self.endpoints = tuple(endpoints)
        return self.build()

    def set_health(self, changes):
        """A set with other health: `changes` are (spec.Address, bits to set, bits to clear), bits as in HEALTH_BITS.

        None when nothing changed that a balancer would see. Addresses that the cluster does not have are passed over."""
        cdef HostRef ref
        cdef int64_t old
        cdef int64_t bits
        cdef bint seen = False
        by_address = {}
        for endpoint, ref in zip(self.endpoints, self.refs):
            by_address.setdefault(endpoint.address, []).append(ref)
        for address, on, off in changes:
            for ref in by_address.get(address, ()):
                old = atomic_load(&ref.host.health)
                bits = (old | <int64_t>on) & ~<int64_t>off
                set_bits(ref.host, bits)
                seen = seen or health_of(old) != health_of(bits) or (old ^ bits) & HEALTH_EXCLUDED_BITS != 0
        return self.build() if seen else None

    def follow(self, HostSetRef local):
        """The newest set once more, with zones routed by these hosts of the proxies' own cluster (None: there is none)."""
        self.local = local
        return self.build()

    def newest(self):
        """The set that was made last."""
        return self.last

    def taken_counts(self):
        """{counter: how much it grew since the last call}."""
        taken, self.counts = self.counts, None
        return taken or {}

    def taken_matches(self):
        """{name of a socket match: hosts that it took since the last call}; `default`: hosts that none did."""
        taken, self.matched = self.matched or {}, None
        return taken

    def slots_of(self, addresses):
        """Slots of the hosts with these addresses."""
        cdef HostRef ref
        return [ref.host.slot for endpoint, ref in zip(self.endpoints, self.refs) if endpoint.address in addresses]

    def watched(self):
        """[(spec.Endpoint, OutlierRef)] of the newest set; empty when nobody watches these hosts."""
        cdef HostRef ref
        return [(endpoint, outlier_ref(ref.host.outlier)) for endpoint, ref in zip(self.endpoints, self.refs) if ref.host.outlier != NULL]

    def sweep(self):
        """[(id, (answers, errors, connects, connect errors))] of the hosts that did anything since the last sweep."""
        cdef HostRef ref
        cdef int64_t since[OUTLIER_TOTALS]
        out = []
        for ref in self.refs:
            if ref.host.outlier != NULL and outlier_take_totals(ref.host.outlier, since):
                out.append((ref.host.outlier.id, (since[0], since[1], since[2], since[3])))
        return out

    def host_stats(self):
        """[(spec.Endpoint, health flags, {stat: value})] of the newest set, in its order; flags as /clusters prints them."""
        cdef HostRef ref
        out = []
        for endpoint, ref in zip(self.endpoints, self.refs):
            bits = atomic_load(&ref.host.health)
            flags = "".join(f"/{name}" for name, bit in HEALTH_BITS.items() if bits & bit) or "healthy"
            out.append((endpoint, flags, {name: atomic_load(&ref.host.stats[i]) for i, name in enumerate(STATS)}))
        return out

    def endpoint_stats(self):
        """({name: value} of the counters of the newest set's hosts, the same of their gauges), below the cluster's name."""
        cdef HostRef ref
        counters, gauges = {}, {}
        for ref in self.refs:
            prefix = f"endpoint.{ref.host.text.at[:ref.host.text.len].decode().replace(':', '_')}."
            for i, name in enumerate(STATS):
                (gauges if name.endswith("_active") else counters)[prefix + name] = atomic_load(&ref.host.stats[i])
            gauges[prefix + "healthy"] = int(host_health(ref.host) == HOST_HEALTHY)
        return counters, gauges


cdef int set_bits(Host *host, int64_t bits) except -1:
    # A host that has become healthy starts slowly from now on, where the cluster says so.
    cdef bint was = atomic_load(&host.healthy_ns) != 0
    atomic_store(&host.health, bits)
    if health_of(bits) != HOST_HEALTHY:
        atomic_store(&host.healthy_ns, 0)
    elif not was:
        atomic_store(&host.healthy_ns, <int64_t>monotonic_ns())
    return 0
