"""Python face of the balancers (cluster/balancer), for tests and benchmarks only: nothing in the engine or in `mesh` may import it.

A Picker is what one worker has of one cluster: table, host set, balancer, with a seed and a clock of its own. Must add no behaviour. Runs on
the caller's thread under the GIL, except `run`.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from meshcore.base.arena cimport Arena, arena_fini, arena_init
from meshcore.base.atomics cimport atomic_add, atomic_load, atomic_store
from meshcore.base.clock cimport Clock, clock_init, monotonic_ns
from meshcore.base.hash cimport MURMUR_SEED, murmurhash2, xxhash64
from meshcore.base.random cimport Random, random_seed
from meshcore.bind.cluster_hosts cimport HostSetRef
from meshcore.bind.cluster_table cimport ClusterTable
from meshcore.bind.load_balancer cimport compile_criteria
from meshcore.cluster.balancer cimport *
from meshcore.cluster.breaker cimport RESOURCE_REQUESTS
from meshcore.cluster.host cimport HOST_RQ_ACTIVE, Host
from meshcore.cluster.host_set cimport PriorityLoad

from meshcore.bind import stat_names
from meshcore.bind.cluster_table import ClusterTable as Table
from meshcore.bind.stats import StatsRegistry

LB_NAMES = stat_names.CLUSTER[stat_names.CLUSTER.index("lb_healthy_panic"):][:LB_STATS]


def xxh64(bytes text, uint64_t seed=0):
    return xxhash64(text, len(text), seed)


def murmur2(bytes text, uint64_t seed=MURMUR_SEED):
    return murmurhash2(text, len(text), seed)


cdef bint refuse(Pick *pick, Host *host) noexcept nogil:
    cdef Host **refused = <Host **>pick.owner
    while refused[0] != NULL:
        if refused[0] == host:
            return True
        refused += 1
    return False


cdef class Picker:
    """Chooses hosts of `spec` (spec.Cluster); hosts are named by their address texts."""

    cdef ClusterTable table
    cdef HostSetRef set
    cdef Balancer balancer
    cdef LbConf conf
    cdef Random random
    cdef Clock clock
    cdef uint64_t counters[LB_STATS + 1]
    cdef uint32_t slots[LB_STATS]

    def __cinit__(self, spec, uint64_t seed=1):
        cdef uint32_t i
        self.table = Table(spec, 0, StatsRegistry())
        self.conf = self.table.conf.lb
        for i in range(LB_STATS):
            self.slots[i] = i + 1
        self.conf.stats = self.slots
        random_seed(&self.random, seed)
        clock_init(&self.clock)
        self.clock.frozen = True
        self.clock.fresh = True
        self.clock.now_ns = monotonic_ns()
        balancer_init(&self.balancer, &self.conf, &self.random, &self.clock, self.counters)
        self.update(spec.endpoints)

    def __dealloc__(self):
        balancer_fini(&self.balancer)

    cdef int take(self, HostSetRef hosts) except -1:
        balancer_reset(&self.balancer, hosts.hosts)
        self.set = hosts
        return 0

    def update(self, endpoints):
        """A new host set, as an update makes it."""
        self.take(self.table.hosts.host_set(tuple(endpoints)))

    def set_health(self, changes):
        made = self.table.hosts.set_health(changes)
        if made is not None:
            self.take(made)

    def follow(self, HostSetRef local):
        self.take(self.table.hosts.follow(local))

    def hosts(self):
        """The newest set."""
        return self.set

    def advance(self, double seconds):
        """Moves the clock."""
        self.clock.now_ns += <uint64_t>(seconds * 1e9)

    cdef Host *host_named(self, str name) except NULL:
        cdef uint32_t i
        for i in range(self.set.hosts.len):
            if self.set.hosts.hosts[i].text.at[:self.set.hosts.hosts[i].text.len].decode() == name:
                return self.set.hosts.hosts[i]
        raise KeyError(name)

    def set_active(self, str name, int64_t n):
        """As many requests are active on a host, and counted in the cluster."""
        cdef Host *host = self.host_named(name)
        atomic_add(&self.table.conf.breakers[0].used[RESOURCE_REQUESTS], n - atomic_load(&host.stats[HOST_RQ_ACTIVE]))
        atomic_store(&host.stats[HOST_RQ_ACTIVE], n)

    def set_age(self, str name, double seconds):
        """A host has been healthy for so long."""
        atomic_store(&self.host_named(name).healthy_ns, <int64_t>self.clock.now_ns - <int64_t>(seconds * 1e9))

    def observe(self, str name, double ms):
        """A host has answered after so long."""
        self.balancer.ops.observe(&self.balancer, self.host_named(name), <uint64_t>(ms * 1e6))

    def pick(self, hash=None, str criteria="", refused=(), uint32_t retries=0, load=None):
        """The address of the chosen host, or None. `load`: [(healthy %, degraded %)] by priority in place of the set's own."""
        cdef Pick pick
        cdef Host *host
        cdef Arena arena
        cdef PriorityLoad given
        cdef unsigned char healthy[32]
        cdef unsigned char degraded[32]
        cdef Host **unwanted = <Host **>calloc(len(refused) + 1, sizeof(Host *))
        memset(&pick, 0, sizeof(Pick))
        arena_init(&arena, NULL)
        try:
            for i, name in enumerate(refused):
                unwanted[<int>i] = self.host_named(name)
            if refused:
                pick.refuses = refuse
                pick.owner = unwanted
                pick.retries = retries
            if hash is not None:
                pick.hash = hash
                pick.has_hash = True
            if load is not None:
                for i, (whole, part) in enumerate(load):
                    healthy[<int>i] = whole
                    degraded[<int>i] = part
                given.healthy = healthy
                given.degraded = degraded
                pick.load = &given
            pick.criteria = compile_criteria(&arena, criteria)
            host = balancer_pick(&self.balancer, &pick)
            return None if host == NULL else host.text.at[:host.text.len].decode()
        finally:
            arena_fini(&arena)
            free(unwanted)

    def picks(self, uint32_t n):
        """The addresses of n choices."""
        return [self.pick() for _ in range(n)]

    def run(self, uint32_t n):
        """n choices with different hashes, for the benchmark; how many found a host."""
        cdef Pick pick
        cdef uint32_t i
        cdef uint32_t found = 0
        memset(&pick, 0, sizeof(Pick))
        pick.has_hash = True
        with nogil:
            for i in range(n):
                pick.hash = <uint64_t>i * <uint64_t>0x9E3779B97F4A7C15
                found += balancer_pick(&self.balancer, &pick) != NULL
        return found

    def counted(self):
        """{counter: value} of those that are not 0."""
        return {name: self.counters[i + 1] for i, name in enumerate(LB_NAMES) if self.counters[i + 1]}
