"""The registry of statistics: gives names to slots when configuration loads, and reads all workers' slots for whoever asks.

Owns the names and the array of the main thread, where totals of detached workers end up too. Must not know what a statistic means or
how it is printed (mesh.admin does). With the GIL: names are given and taken by one thread, any thread may read. Workers write their
arrays meanwhile, so sums are a moment's view. A worker's array must stay mapped until `detach` has returned.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from meshcore.observe.counters cimport *

from meshcore.bind.distribution import Distribution, HistogramSample, Sample

cdef enum:
    WORKERS_MAX = 1024

cdef dict NONE = {}                # of bins; never written to


cdef class Stat:
    # What the registry knows of a name.
    cdef readonly str kind
    cdef readonly bint lazy
    cdef readonly size_t slot
    cdef public int owners
    cdef public uint64_t base      # raw count that belongs to an earlier owner of the slot, or to the time before a reset
    cdef public uint64_t base_fell  # gauges: the same of the second slot
    cdef public object value       # of a gauge that is set, or of a text
    cdef public bint touched
    cdef public dict bins          # histograms: {bin: count} as of the last flush
    cdef public dict fresh         # histograms: what the last flush found on top of the one before
    cdef public dict base_bins     # histograms: bins of an earlier owner of the slots

    def __init__(self, kind, slot, lazy):
        self.kind = kind
        self.slot = slot
        self.lazy = lazy
        self.owners = 1
        self.value = 0
        self.bins = self.fresh = self.base_bins = NONE


cdef class Family:
    # Counters that share a prefix and end in a number; only those that were counted are ever named.
    cdef readonly size_t slot
    cdef readonly int first
    cdef readonly size_t n
    cdef public int owners
    cdef public dict base          # {place: raw count} of an earlier owner, or of the time before a reset
    cdef public set seen           # places that counted before a reset

    def __init__(self, slot, first, n, base):
        self.slot = slot
        self.first = first
        self.n = n
        self.owners = 1
        self.base = base
        self.seen = set()


cdef class StatsRegistry:
    """Names to slots. `counter`, `gauge` and `histogram` answer the (first) slot; the same name asked twice is the same slot.

    Each of them counts an owner: `release` takes one away, and the slot is free when none is left. Call it when no worker can write
    the slot any more. `cap`: slots of each worker's array, which must all be that long.
    """

    def __cinit__(self, size_t cap=STAT_SLOTS):
        self.cap = cap
        self.used = 1
        self.own = slots_new(cap)
        self.workers = <uint64_t **>calloc(WORKERS_MAX, sizeof(uint64_t *))
        if self.own == NULL or self.workers == NULL:
            raise MemoryError(f"no address space for {cap} statistics ({cap * 8 >> 20} MiB)")
        self.stats = {}
        self.families = {}
        self.free = {}

    def __dealloc__(self):
        slots_free(self.own, self.cap)
        free(self.workers)

    @property
    def own_address(self):
        """Address of the main thread's array, for code that counts on the main thread."""
        return <size_t>self.own

    cdef uint64_t raw(self, size_t slot) noexcept:
        cdef uint64_t total = self.own[slot]
        cdef int i
        for i in range(self.workers_len):
            total += self.workers[i][slot]
        return total

    cdef dict counted(self, size_t first, size_t n):
        # {place: raw count} of the slots of a range that are not zero.
        cdef dict found = {}
        cdef uint64_t total
        cdef size_t i
        for i in range(n):
            total = self.raw(first + i)
            if total != 0:
                found[i] = total
        return found

    cdef size_t take(self, size_t n) except 0:
        cdef size_t first
        reusable = self.free.get(n)
        if reusable:
            return reusable.pop()
        if self.used + n > self.cap:
            raise MemoryError(f"all {self.cap} slots for statistics are in use: fewer clusters, or fewer statistics per cluster")
        first = self.used
        self.used += n
        return first

    def _give(self, size_t slot, size_t n):
        self.free.setdefault(n, []).append(slot)

    def _named(self, str name, str kind, size_t n, bint lazy):
        cdef Stat stat = self.stats.get(name)
        cdef size_t slot = 0
        if stat is not None:
            if stat.kind != kind:
                raise ValueError(f"{name} is a {stat.kind}, not a {kind}")
            stat.owners += 1
            return stat.slot
        if n > 0:
            slot = self.take(n)
        stat = Stat(kind, slot, lazy)
        if n > 0:
            stat.base = self.raw(slot)
        if kind == "gauge":
            stat.base_fell = self.raw(slot + 1)
        elif kind == "histogram" and stat.base != 0:
            stat.base_bins = self.counted(slot + 1, HISTOGRAM_BINS)
        self.stats[name] = stat
        return slot

    def counter(self, str name, *, bint lazy=False):
        """A slot that only grows. `lazy`: not shown before it is counted for the first time."""
        return self._named(name, "counter", 1, lazy)

    def gauge(self, str name, *, bint lazy=False):
        """The first of two slots: gauge_inc and gauge_dec move it; `set_gauge` adds to what workers report."""
        return self._named(name, "gauge", GAUGE_SLOTS, lazy)

    def histogram(self, str name):
        """The first slot of a histogram of whole numbers."""
        return self._named(name, "histogram", HISTOGRAM_SLOTS, False)

    def family(self, str prefix, int first, size_t n):
        """The first of n counters named prefix + str(first), and so on; each appears when it is counted for the first time.

        For status codes: a name for every code of every cluster would cost more than all other statistics together.
        """
        cdef Family family = self.families.get(prefix)
        cdef size_t slot
        if family is not None:
            if family.first != first or family.n != n:
                raise ValueError(f"{prefix} is a family of {family.n} counters from {family.first}")
            family.owners += 1
            return family.slot
        slot = self.take(n)
        self.families[prefix] = Family(slot, first, n, self.counted(slot, n))
        return slot

    def set_gauge(self, str name, int64_t value):
        """For facts of the main thread (how many hosts a cluster has): creates the gauge when it is new."""
        if name not in self.stats:
            self.gauge(name)
        (<Stat>self.stats[name]).value = value
        (<Stat>self.stats[name]).touched = True

    def set_text(self, str name, str value):
        """A statistic that is a text (control_plane.identifier): creates it when it is new."""
        if name not in self.stats:
            self._named(name, "text", 0, False)
        (<Stat>self.stats[name]).value = value
        (<Stat>self.stats[name]).touched = True

    def add(self, str name, uint64_t amount=1, *, bint lazy=False):
        """Counts on the main thread: creates the counter when it is new."""
        if name not in self.stats:
            self.counter(name, lazy=lazy)
        self.own[(<Stat>self.stats[name]).slot] += amount

    def record(self, str name, uint64_t value):
        """Adds a value to a histogram on the main thread: creates it when it is new."""
        if name not in self.stats:
            self.histogram(name)
        histogram_record(self.own, (<Stat>self.stats[name]).slot, value)

    def release(self, str name):
        """Takes one owner of a name (or of a family, by its prefix) away; without owners its slots may be given to another."""
        cdef dict sizes = {"counter": 1, "gauge": GAUGE_SLOTS, "histogram": HISTOGRAM_SLOTS}
        cdef Family family = self.families.get(name)
        cdef Stat stat
        if family is not None:
            family.owners -= 1
            if family.owners == 0:
                del self.families[name]
                self._give(family.slot, family.n)
            return
        stat = self.stats[name]
        stat.owners -= 1
        if stat.owners == 0:
            del self.stats[name]
            if stat.kind in sizes:
                self._give(stat.slot, sizes[stat.kind])

    def release_prefix(self, str prefix):
        """Forgets every name that begins with `prefix`, whoever owns it ("cluster.gone.")."""
        for name in [n for n in self.families if n.startswith(prefix)]:
            (<Family>self.families[name]).owners = 1
            self.release(name)
        for name in [n for n in self.stats if n.startswith(prefix)]:
            (<Stat>self.stats[name]).owners = 1
            self.release(name)

    cdef int place(self, size_t address) noexcept:
        cdef int i
        for i in range(self.workers_len):
            if self.workers[i] == <uint64_t *>address:
                return i
        return -1

    def attach(self, size_t address):
        """A worker's slots count from now on."""
        if address == 0 or self.place(address) >= 0 or self.workers_len == WORKERS_MAX:
            raise ValueError("not the address of a new array of slots, or too many workers")
        self.workers[self.workers_len] = <uint64_t *>address
        self.workers_len += 1

    def detach(self, size_t address):
        """The worker has ended: its totals stay, its array may be freed."""
        cdef uint64_t *slots = <uint64_t *>address
        cdef int at = self.place(address)
        cdef size_t i
        if at < 0:
            raise ValueError("not the address of an attached array of slots")
        self.workers_len -= 1
        self.workers[at] = self.workers[self.workers_len]
        for i in range(self.used):
            # Reading a page that was never written costs nothing, writing one does.
            if slots[i] != 0:
                self.own[i] += slots[i]

    def flush(self):
        """Ends an interval: histograms show from now on what was recorded until now (Envoy's stats_flush_interval)."""
        cdef Stat stat
        cdef uint64_t count
        cdef dict merged
        for value in list(self.stats.values()):
            stat = value
            if stat.kind != "histogram":
                continue
            stat.fresh = NONE
            count = self.raw(stat.slot)
            # Most histograms have not moved, and their bins are a page of memory each.
            if count == stat.base:
                continue
            stat.base = count
            merged = {b: n - stat.base_bins.get(b, 0) for b, n in self.counted(stat.slot + 1, HISTOGRAM_BINS).items()
                      if n > stat.base_bins.get(b, 0)}
            stat.fresh = {b: n - stat.bins.get(b, 0) for b, n in merged.items() if n > stat.bins.get(b, 0)}
            stat.bins = merged

    def reset_counters(self):
        """All counters begin at 0 again; gauges and histograms stay, as in Envoy."""
        cdef Stat stat
        cdef Family family
        for value in list(self.stats.values()):
            stat = value
            if stat.kind == "counter":
                stat.touched = stat.touched or self.raw(stat.slot) != stat.base
                stat.base = self.raw(stat.slot)
        for value in list(self.families.values()):
            family = value
            counts = self.counted(family.slot, family.n)
            family.seen |= {place for place, n in counts.items() if n > family.base.get(place, 0)}
            family.base = counts

    def _sample(self, str name, Stat stat):
        cdef uint64_t rose, fell
        if stat.kind == "text":
            return Sample(name, "text", stat.value, stat.touched)
        rose = self.raw(stat.slot) - stat.base
        if stat.kind == "counter":
            return Sample(name, "counter", rose, stat.touched or rose != 0)
        fell = self.raw(stat.slot + 1) - stat.base_fell
        stat.touched = stat.touched or rose != 0 or fell != 0
        return Sample(name, "gauge", <int64_t>(rose - fell) + stat.value, stat.touched)

    def _members(self, str prefix, Family family):
        counts = self.counted(family.slot, family.n)
        for place in family.seen | counts.keys():
            value = counts.get(place, 0) - family.base.get(place, 0)
            if value > 0 or place in family.seen:
                yield Sample(f"{prefix}{family.first + place}", "counter", value, True)

    def samples(self):
        """All counters, gauges and texts, sorted by name; lazy ones only once they were used."""
        found = []
        for name, stat in list(self.stats.items()):
            if (<Stat>stat).kind != "histogram":
                sample = self._sample(name, stat)
                if sample.used or not (<Stat>stat).lazy:
                    found.append(sample)
        for prefix, family in list(self.families.items()):
            found.extend(self._members(prefix, family))
        found.sort(key=lambda sample: sample.name)
        return found

    def snapshot(self):
        """{name: value} of all counters, gauges and texts that `samples` shows."""
        return {sample.name: sample.value for sample in self.samples()}

    def value(self, str name):
        """The value of one counter, gauge or text; KeyError when there is no such name."""
        return self._sample(name, self.stats[name]).value

    def histograms(self):
        """All histograms as of the last flush, sorted by name."""
        cdef Stat stat
        found = []
        for name, value in sorted(list(self.stats.items()), key=lambda item: item[0]):
            stat = value
            if stat.kind == "histogram":
                found.append(HistogramSample(name, Distribution(stat.fresh), Distribution(stat.bins)))
        return found

    def slots_in_use(self):
        """How many slots names hold now: what a test compares before and after."""
        return self.used - 1 - sum(size * len(firsts) for size, firsts in self.free.items())


class WorkerSlots:
    """An array of slots for tests: what a worker owns, driven from Python."""

    def __init__(self, size_t cap=STAT_SLOTS):
        self.cap = cap
        self.address = <size_t>slots_new(cap)

    def inc(self, uint32_t slot, uint64_t amount=1):
        stat_add(<uint64_t *><size_t>self.address, slot, amount)

    def move(self, uint32_t slot, int64_t amount):
        gauge_add(<uint64_t *><size_t>self.address, slot, amount)

    def record(self, uint32_t first, uint64_t value):
        histogram_record(<uint64_t *><size_t>self.address, first, value)

    def record_many(self, uint32_t first, uint64_t value, int times):
        """For the benchmark: records `times` values without the interpreter."""
        cdef uint64_t *slots = <uint64_t *><size_t>self.address
        cdef int i
        with nogil:
            for i in range(times):
                histogram_record(slots, first, value + i)

    def close(self):
        slots_free(<uint64_t *><size_t>self.address, self.cap)
        self.address = 0
