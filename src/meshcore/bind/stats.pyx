"""The registry of statistics: gives names to slots when configuration loads, and reads all workers' slots for whoever asks.

Owns the names, the array of the main thread (where totals of detached workers end up too) and the arithmetic of histograms. Must
not know what a statistic means or how it is printed (mesh.admin does). Main thread with the GIL; workers write their arrays meanwhile,
so sums are a moment's view. A worker's array must stay mapped until `detach` has returned.
"""
from libc.math cimport NAN, ceil
from libc.stdint cimport int64_t, uint32_t, uint64_t

from meshcore.observe.counters cimport *

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1.0)
BUCKETS = (0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, 30000.0, 60000.0, 300000.0,
           600000.0, 1800000.0, 3600000.0)


class Distribution:
    """Counted values of a histogram: `bins` maps the number of a bin (counters.pxd) to how many values fell into it."""

    __slots__ = ("bins", "count")

    def __init__(self, bins):
        self.bins = dict(sorted(bins.items()))
        self.count = sum(bins.values())

    @classmethod
    def counting(cls, counts):
        """A distribution of {value: how often}."""
        bins = {}
        for value, n in counts.items():
            bins[histogram_bin(value)] = bins.get(histogram_bin(value), 0) + n
        return cls(bins)

    def parts(self):
        """[(lower bound, width, count)] in order: a value of one digit stands for a tenth of its unit, as the histogram keeps two digits."""
        return [(bin_lower(b), 0.1 if 0 < b < 10 else bin_step(b), n) for b, n in self.bins.items()]

    def quantiles(self, wanted=QUANTILES):
        """The value of each quantile (0 to 1, ascending); NaN when there are no values.

        The k-th smallest value with k = ceil(q * count); the n values of a bin are taken to lie evenly inside it.
        """
        parts = self.parts()
        found = []
        at, below = 0, 0
        for q in wanted:
            if not parts:
                found.append(NAN)
                continue
            k = max(1, <int64_t>ceil(q * self.count))
            while below + parts[at][2] < k:
                below += parts[at][2]
                at += 1
            lower, width, n = parts[at]
            found.append(lower + width * (k - below) / (n + 1))
        return found

    def below(self, bounds=BUCKETS):
        """How many values lie in bins that begin at or below each of the ascending bounds."""
        return [sum(n for b, n in self.bins.items() if bin_lower(b) <= bound) for bound in bounds]

    def sum(self):
        """The sum of all values, each taken as the harmonic mean of the bounds of its bin (the value with the least relative error)."""
        return sum(((lower + width * (lower / (2.0 * lower + width))) * n for lower, width, n in self.parts() if lower > 0), 0.0)


class HistogramSample:
    """A histogram as of the last flush: `interval` is what came between the last two flushes, `total` everything."""

    __slots__ = ("interval", "name", "total")

    def __init__(self, name, interval, total):
        self.name = name
        self.interval = interval
        self.total = total

    @property
    def used(self):
        return self.total.count > 0


class Sample:
    """One statistic: `kind` is counter | gauge | text; `used`: it was ever counted or set."""

    __slots__ = ("kind", "name", "used", "value")

    def __init__(self, name, kind, value, used):
        self.name = name
        self.kind = kind
        self.value = value
        self.used = used

    def __repr__(self):
        return f"Sample({self.name!r}, {self.kind!r}, {self.value!r}, used={self.used})"


cdef class Stat:
    # What the registry knows of a name.
    cdef readonly str kind
    cdef readonly bint lazy
    cdef public int owners
    cdef readonly size_t slot
    cdef public object base        # raw count that belongs to an earlier owner of the slot, or to the time before a reset
    cdef public object base_fell   # gauges: the same of the second slot
    cdef public object value       # of a gauge that is set, or of a text
    cdef public bint touched
    cdef public bint member        # its slot belongs to a family
    cdef public dict bins          # histograms: {bin: count} as of the last flush
    cdef public dict fresh         # histograms: what the last flush found on top of the one before
    cdef public dict base_bins

    def __init__(self, kind, slot, lazy):
        self.kind = kind
        self.slot = slot
        self.lazy = lazy
        self.owners = 1
        self.base = 0
        self.base_fell = 0
        self.value = 0
        self.bins = {}
        self.fresh = {}
        self.base_bins = {}


cdef class StatsRegistry:
    """Names to slots. `counter`, `gauge` and `histogram` answer the (first) slot; the same name asked twice is the same slot.

    Each of them counts an owner: `release` takes one away, and the slot is free when none is left. Call it when no worker can write
    the slot any more. `cap`: slots of each worker's array, which must all be that long.
    """

    def __cinit__(self, size_t cap=STAT_SLOTS):
        self.cap = cap
        self.used = 1
        self.own = slots_new(cap)
        if self.own == NULL:
            raise MemoryError(f"no address space for {cap} statistics ({cap * 8 >> 20} MiB)")
        self.workers = []
        self.stats = {}
        self.families = {}
        self.free = {}

    def __dealloc__(self):
        slots_free(self.own, self.cap)

    @property
    def own_address(self):
        """Address of the main thread's array, for code that counts on the main thread."""
        return <size_t>self.own

    cdef uint64_t raw(self, size_t slot) noexcept:
        cdef uint64_t total = self.own[slot]
        for address in self.workers:
            total += (<uint64_t *><size_t>address)[slot]
        return total

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
        elif kind == "histogram":
            stat.base_bins = self._bins(slot)
        self.stats[name] = stat
        return slot

    def counter(self, str name, *, bint lazy=False):
        """A slot that only grows. `lazy`: not shown before it is counted for the first time."""
        return self._named(name, "counter", 1, lazy)

    def gauge(self, str name, *, bint lazy=False):
        """The first of two slots: gauge_inc and gauge_dec move it; `set_gauge` adds to what workers report."""
        return self._named(name, "gauge", GAUGE_SLOTS, lazy)

    def family(self, str prefix, int first, int n):
        """The first of n counters named prefix + str(first), and so on; each appears when it is counted for the first time.

        For status codes: a name for every code of every cluster would cost more than all other statistics together.
        """
        if prefix in self.families:
            slot, first, n, owners = self.families[prefix]
            self.families[prefix] = (slot, first, n, owners + 1)
            return slot
        slot = self.take(n)
        self.families[prefix] = (slot, first, n, 1)
        return slot

    def _reveal(self):
        # Gives names to the members of families that were counted since the last look.
        cdef size_t at
        cdef Stat stat
        for prefix, (slot, first, n, _owners) in self.families.items():
            for i in range(n):
                at = slot + i
                if self.raw(at) != 0:
                    name = f"{prefix}{first + i}"
                    if name not in self.stats:
                        stat = Stat("counter", at, True)
                        stat.member = True
                        self.stats[name] = stat

    def histogram(self, str name):
        """The first slot of a histogram of whole numbers."""
        return self._named(name, "histogram", HISTOGRAM_SLOTS, False)

    def set_gauge(self, str name, int64_t value):
        """For facts of the main thread (how many hosts a cluster has): creates the gauge when it is new."""
        cdef Stat stat = self.stats.get(name)
        if stat is None:
            self.gauge(name)
            stat = self.stats[name]
        stat.value = value
        stat.touched = True

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
        """Takes one owner away; without owners the name is gone and its slots may be given to another."""
        cdef Stat stat = self.stats[name]
        cdef dict sizes = {"counter": 1, "gauge": GAUGE_SLOTS, "histogram": HISTOGRAM_SLOTS}
        stat.owners -= 1
        if stat.owners > 0:
            return
        del self.stats[name]
        if stat.kind in sizes and not stat.member:
            self.free.setdefault(sizes[stat.kind], []).append(stat.slot)

    def release_prefix(self, str prefix):
        """Forgets every name that begins with `prefix`, whoever owns it ("cluster.gone.")."""
        for name in [n for n in self.stats if n.startswith(prefix)]:
            (<Stat>self.stats[name]).owners = 1
            self.release(name)
        for name in [n for n in self.families if n.startswith(prefix)]:
            slot, _first, n, _owners = self.families.pop(name)
            self.free.setdefault(n, []).append(slot)

    def attach(self, size_t address):
        """A worker's slots count from now on."""
        if address == 0 or address in self.workers:
            raise ValueError("not the address of a new array of slots")
        self.workers.append(address)

    def detach(self, size_t address):
        """The worker has ended: its totals stay, its array may be freed."""
        cdef uint64_t *slots = <uint64_t *>address
        cdef size_t i
        self.workers.remove(address)
        for i in range(self.used):
            self.own[i] += slots[i]

    def _bins(self, size_t slot):
        cdef dict found = {}
        cdef size_t bin
        cdef uint64_t *slots
        cdef size_t bins = HISTOGRAM_BINS
        for address in [<size_t>self.own, *self.workers]:
            slots = (<uint64_t *><size_t>address) + slot + 1
            for bin in range(bins):
                if slots[bin] != 0:
                    found[bin] = found.get(bin, 0) + slots[bin]
        return found

    def flush(self):
        """Ends an interval: histograms show from now on what was recorded until now (Envoy's stats_flush_interval)."""
        cdef Stat stat
        cdef dict merged
        for value in self.stats.values():
            stat = value
            if stat.kind != "histogram":
                continue
            stat.fresh = {}
            # Most histograms have not moved, and their bins are a page of memory each.
            if self.raw(stat.slot) == stat.base:
                continue
            stat.base = self.raw(stat.slot)
            merged = {b: n - stat.base_bins.get(b, 0) for b, n in self._bins(stat.slot).items() if n > stat.base_bins.get(b, 0)}
            stat.fresh = {b: n - stat.bins.get(b, 0) for b, n in merged.items() if n > stat.bins.get(b, 0)}
            stat.bins = merged

    def reset_counters(self):
        """All counters begin at 0 again; gauges and histograms stay, as in Envoy."""
        cdef Stat stat
        for value in self.stats.values():
            stat = value
            if stat.kind == "counter":
                stat.touched = stat.touched or self.raw(stat.slot) != stat.base
                stat.base = self.raw(stat.slot)

    def _sample(self, str name, Stat stat):
        if stat.kind == "text":
            return Sample(name, "text", stat.value, stat.touched)
        if stat.kind == "counter":
            value = self.raw(stat.slot) - stat.base
            return Sample(name, "counter", value, stat.touched or value != 0)
        rose = self.raw(stat.slot) - stat.base
        fell = self.raw(stat.slot + 1) - stat.base_fell
        stat.touched = stat.touched or rose != 0 or fell != 0
        return Sample(name, "gauge", rose - fell + stat.value, stat.touched)

    def samples(self):
        """All counters, gauges and texts, sorted by name; lazy ones only once they were used."""
        cdef Stat stat
        found = []
        self._reveal()
        for name in sorted(self.stats):
            stat = self.stats[name]
            if stat.kind != "histogram":
                sample = self._sample(name, stat)
                if sample.used or not stat.lazy:
                    found.append(sample)
        return found

    def snapshot(self):
        """{name: value} of all counters, gauges and texts that `samples` shows."""
        return {sample.name: sample.value for sample in self.samples()}

    def value(self, str name):
        """The value of one counter, gauge or text; KeyError when there is no such name."""
        if name not in self.stats:
            self._reveal()
        return self._sample(name, self.stats[name]).value

    def histograms(self):
        """All histograms as of the last flush, sorted by name."""
        cdef Stat stat
        found = []
        for name in sorted(self.stats):
            stat = self.stats[name]
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


def bin_of(uint64_t value):
    """(lower bound, distance to the next bin) of the bin that a value falls into."""
    cdef uint32_t bin = histogram_bin(value)
    return bin_lower(bin), bin_step(bin)
