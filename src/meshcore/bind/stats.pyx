"""The registry of statistics: gives names to slots when configuration loads, and reads all workers' slots for whoever asks.

Owns the names, the main thread's counts, and an array where the totals of detached workers end up. Ten thousand clusters have the same hundred
statistics, so names are not kept one by one: a `Layout` lists the names below a prefix once, and a `Group` is a prefix with its slots. A
statistic that stands alone is a group of one. Must not know what a statistic means or how it is printed (mesh.admin does). With the GIL:
names are given and taken by one thread, any thread may read. Workers write their arrays meanwhile, so sums are a moment's view. A worker's
array must stay mapped until `detach` has returned. Names that workers give themselves (observe/late_stats.pxd) are read when somebody asks.
"""
import os

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc

from meshcore.base.atomics cimport atomic_load, published_word
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport Span, span
from meshcore.observe.counters cimport *
from meshcore.observe.late_stats cimport *

from meshcore.bind.distribution import Distribution, HistogramSample, Sample
from meshcore.bind.stat_names import LATE

cdef enum:
    WORKERS_MAX = 1024
    FIRST_CODE = 100

cdef enum:                         # kinds of statistics
    COUNTER
    GAUGE
    TEXT
    HISTOGRAM
    CODES                          # counters whose name ends in a status code; each appears when it is counted

KINDS = ("counter", "gauge", "text", "histogram", "code family")
cdef int[5] slots_of = [1, GAUGE_SLOTS, 0, 0, 0]
cdef int[5] blocks_of = [0, 0, 0, HISTOGRAM_BLOCKS, CODE_BLOCKS]
cdef dict NONE = {}                # never written to


cdef class Layout:
    """Statistics that stand below one prefix: (name, kind, lazy) of each. `lazy`: not shown before it is counted for the first time."""

    def __cinit__(self, members):
        cdef int i, kind
        n = len(members)
        self.kinds = <char *>calloc(max(1, n), 1)
        self.lazy = <char *>calloc(max(1, n), 1)
        self.at = <uint32_t *>calloc(max(1, n), sizeof(uint32_t))
        if self.kinds == NULL or self.lazy == NULL or self.at == NULL:
            raise MemoryError
        self.names = tuple([name for name, _kind, _lazy in members])
        self.places = {name: place for place, name in enumerate(self.names)}
        for i, (_name, word, lazy) in enumerate(members):
            kind = KINDS.index(word)
            self.kinds[i] = kind
            self.lazy[i] = lazy
            self.at[i] = self.blocks if blocks_of[kind] else self.slots
            self.slots += slots_of[kind]
            self.blocks += blocks_of[kind]
        self.own_at = <uint32_t *>calloc(max(1, self.slots), sizeof(uint32_t))
        if self.own_at == NULL:
            raise MemoryError
        self.order = sorted([i for i in range(n) if self.kinds[i] != HISTOGRAM], key=lambda place: self.names[place])
        self.blocky = [i for i in range(n) if blocks_of[<int>self.kinds[i]]]

    def __dealloc__(self):
        free(self.kinds)
        free(self.lazy)
        free(self.at)
        free(self.own_at)


cdef class Cells:
    # What has been read of one histogram or family of codes: {bin or code: count}.
    cdef dict base                 # of an earlier owner, or of the time before a reset
    cdef dict total                # histograms: as of the last flush
    cdef dict fresh                # histograms: what the last flush found on top of the one before
    cdef set seen                  # codes that counted before a reset

    def __init__(self, base):
        self.base = base
        self.total = self.fresh = NONE
        self.seen = set()


cdef class Group:
    def __dealloc__(self):
        free(self.own)
        free(self.base)

    cdef uint32_t slot_of(self, str name) except 0:
        # The first slot of a member.
        cdef int place = self.layout.places[name]
        return (self.block if blocks_of[<int>self.layout.kinds[place]] else self.slot) + self.layout.at[place]

    cdef uint64_t *own_cell(self, uint32_t at) except NULL:
        # The main thread's part of the slot `at`. Groups of one layout count in the same slots there, so all of those are made at once.
        cdef Layout layout = self.layout
        cdef uint64_t *grown
        cdef uint32_t i
        if layout.own_at[at] == 0:
            layout.own_len += 1
            layout.own_at[at] = layout.own_len
        if layout.own_at[at] > self.own_len:
            grown = <uint64_t *>realloc(self.own, layout.own_len * sizeof(uint64_t))
            if grown == NULL:
                raise MemoryError
            for i in range(self.own_len, layout.own_len):
                grown[i] = 0
            self.own = grown
            self.own_len = layout.own_len
        return &self.own[layout.own_at[at] - 1]


cdef dict singles = {}             # (kind, lazy) -> the layout of a statistic that stands alone


cdef Layout single(str kind, bint lazy):
    found = singles.get((kind, lazy))
    if found is None:
        found = singles[(kind, lazy)] = Layout((("", kind, lazy),))
    return found


cdef object find_in(dict groups, str name):
    # (group, place) of a statistic, or None.
    cdef Group group = groups.get(name)
    if group is not None and group.layout.names[0] == "":
        return group, 0
    cut = name.rfind(".") + 1
    while cut > 0:
        group = groups.get(name[:cut])
        if group is not None:
            place = group.layout.places.get(name[cut:])
            if place is not None:
                return group, place
        cut = name.rfind(".", 0, cut - 1) + 1
    return None


cdef tuple late_layouts = tuple([Layout(kind) for kind in LATE])


cdef class StatsRegistry:
    """Names to slots. `counter`, `gauge`, `histogram` and `codes` answer the (first) slot; the same name asked twice is the same slot.

    Each of them counts an owner: `release` takes one away, and the slot is free when none is left. Call it when no worker can write
    the slot any more. `cap`: slots of each worker's array, which must all be that long.
    """

    def __cinit__(self, size_t cap=STAT_SLOTS):
        self.cap = cap
        self.used = STAT_FIRST
        self.own = slots_new(cap)
        self.workers = <uint64_t **>calloc(WORKERS_MAX, sizeof(uint64_t *))
        self.late = late_stats_new(cap, int.from_bytes(os.urandom(8), "little"))
        if self.own == NULL or self.workers == NULL or self.late == NULL:
            raise MemoryError(f"no address space for {cap} statistics ({cap * 8 >> 20} MiB)")
        self.runtime = RuntimeCells()
        self.groups = {}
        self.free = {}
        self.late_groups = {}
        for kind, layout in enumerate(late_layouts):
            self.late.slots_of[<int>kind] = (<Layout>layout).slots
            self.late.blocks_of[<int>kind] = (<Layout>layout).blocks

    def __dealloc__(self):
        late_stats_free(self.late)
        slots_free(self.own, self.cap)
        free(self.workers)

    # --- names ---

    cdef Group group(self, str prefix, Layout layout):
        # The statistics of `layout` below `prefix`; one more owner when they are there already.
        cdef Group group = self.groups.get(prefix)
        cdef bint reused
        if group is not None:
            if group.layout is not layout and (group.layout.names, group.layout.slots) != (layout.names, layout.slots):
                raise ValueError(f"{prefix} is a {kind_of(group)}, not a {KINDS[<int>layout.kinds[0]]}")
            group.owners += 1
            return group
        group = Group.__new__(Group)
        group.prefix = prefix
        group.layout = layout
        group.owners = 1
        group.values = group.cells = NONE
        reusable = self.free.get((layout.slots, layout.blocks))
        reused = bool(reusable)
        if reused:
            group.slot, group.block = reusable.pop()
        else:
            group.slot, group.block = self.used, self.cap // 2 + self.used_blocks
            if self.used + layout.slots > self.late.slots_first or group.block + layout.blocks > self.late.blocks_first:
                raise MemoryError(f"all {self.cap} slots for statistics are in use: fewer clusters, or fewer statistics per cluster")
            self.used += layout.slots
            self.used_blocks += layout.blocks
        if reused:
            self._rebase(group)
        self.groups[prefix] = group
        return group

    def _rebase(self, Group group):
        # What the workers' slots hold belongs to an earlier owner.
        cdef uint32_t i
        if group.layout.slots:
            group.base = <uint64_t *>calloc(group.layout.slots, sizeof(uint64_t))
            if group.base == NULL:
                raise MemoryError
            for i in range(group.layout.slots):
                group.base[i] = self.raw(group, i)
        group.cells = {}
        for place in group.layout.blocky:
            counts = self._counts(group, place)
            if counts:
                group.cells[place] = Cells(counts)

    cdef int read_late(self) except -1:
        # Groups of the names that workers have given themselves since this was asked last.
        cdef LateStat *stat
        cdef Group group
        cdef uint32_t i
        cdef int64_t refused = atomic_load(&self.late.refused)
        if refused != self.late_refused:
            self.add("stats.overflow", refused - self.late_refused, lazy=True)
            self.late_refused = refused
        if atomic_load(&self.late.named) == len(self.late_groups):
            return 0
        for i in range(LATE_CELLS):
            stat = <LateStat *>published_word(<const uint64_t *>&self.late.cells[i])
            if stat == NULL or stat.known:
                continue
            stat.known = True
            group = Group.__new__(Group)
            group.prefix = stat.name[:stat.len].decode("utf-8", "backslashreplace")
            group.layout = late_layouts[stat.kind]
            group.owners = 1
            group.values = group.cells = NONE
            group.slot = stat.slot
            group.block = stat.block
            self.late_groups[stat.slot] = group
        return 0

    def _all(self):
        self.read_late()
        return [*self.groups.values(), *self.late_groups.values()]

    def _find(self, str name):
        # (group, place) of a statistic that a table has named, or None.
        return find_in(self.groups, name)

    def _find_late(self, str name):
        self.read_late()
        return find_in({(<Group>group).prefix: group for group in self.late_groups.values()}, name)

    def _named(self, str name, str kind, bint lazy=False):
        cdef Group group
        found = self._find(name)
        if found is None:
            group = self.group(name, single(kind, lazy))
            return group.block if blocks_of[<int>group.layout.kinds[0]] else group.slot
        group, place = found
        known = KINDS[<int>group.layout.kinds[<int>place]]
        if known != kind:
            raise ValueError(f"{name} is a {known}, not a {kind}")
        if group.prefix == name:
            group.owners += 1
        return group.slot_of(group.layout.names[place])

    def counter(self, str name, *, bint lazy=False):
        """A slot that only grows. `lazy`: not shown before it is counted for the first time."""
        return self._named(name, "counter", lazy)

    def gauge(self, str name, *, bint lazy=False):
        """The first of two slots: gauge_inc and gauge_dec move it; `set_gauge` adds to what workers report."""
        return self._named(name, "gauge", lazy)

    def histogram(self, str name):
        """The first pointer slot of a histogram of whole numbers."""
        return self._named(name, "histogram")

    def text(self, str name):
        """A statistic that is a text: `set_text` says which."""
        self._named(name, "text")

    def codes(self, str prefix):
        """The first pointer slot of counters named prefix + "100" to prefix + "599"; each appears when it is counted for the first time."""
        return self._named(prefix, "code family")

    def computed(self, str prefix, source):
        """Statistics below the prefix of a group that nobody keeps here: `source.gauges()` and `source.counters()` answer {name: value}
        when somebody asks."""
        cdef Group group = self.groups[prefix]
        group.source = source

    def set_gauge(self, str name, value):
        """For facts of the main thread (how many hosts a cluster has): creates the gauge when it is new."""
        self._set(name, "gauge", value)

    def set_text(self, str name, str value):
        """A statistic that is a text (control_plane.identifier): creates it when it is new."""
        self._set(name, "text", value)

    def _set(self, str name, str kind, value):
        cdef Group group
        found = self._find(name) or (self.group(name, single(kind, False)), 0)
        group, place = found
        if kind == "gauge" and place not in group.values and value <= INT64_MAX:
            set_cells(group, group.layout.at[<int>place], value)
            return
        if kind == "gauge" and place not in group.values:
            set_cells(group, group.layout.at[<int>place], 0)
        if group.values is NONE:
            group.values = {}
        group.values[place] = value

    def add(self, str name, uint64_t amount=1, *, bint lazy=False):
        """Counts on the main thread: creates the counter when it is new."""
        cdef Group group
        found = self._find(name) or (self.group(name, single("counter", lazy)), 0)
        group, place = found
        group.own_cell(group.layout.at[<int>place])[0] += amount

    def record(self, str name, uint64_t value):
        """Adds a value to a histogram on the main thread: creates it when it is new."""
        cdef Group group
        found = self._find(name) or (self.group(name, single("histogram", False)), 0)
        group, place = found
        histogram_record(self.own, group.block + group.layout.at[<int>place], value)

    def release(self, str name):
        """Takes one owner of a name (or of all below a prefix that was named at once) away; without owners its slots may be given to
        another. What was named together with others ends with them."""
        cdef Group group = self.groups.get(name)
        if group is None:
            return
        group.owners -= 1
        if group.owners == 0:
            del self.groups[group.prefix]
            self.free.setdefault((group.layout.slots, group.layout.blocks), []).append((group.slot, group.block))

    def release_prefix(self, str prefix):
        """Forgets every name that begins with `prefix`, whoever owns it ("cluster.gone.")."""
        for name in [n for n in self.groups if n.startswith(prefix)]:
            (<Group>self.groups[name]).owners = 1
            self.release(name)

    def slots_in_use(self):
        """How many slots names hold now: what a test compares before and after."""
        spare = sum((slots + blocks) * len(firsts) for (slots, blocks), firsts in self.free.items())
        return self.used - STAT_FIRST + self.used_blocks - spare

    # --- workers ---

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
        self.workers[self.workers_len][STAT_LATE] = <uint64_t>self.late
        self.workers_len += 1

    def detach(self, size_t address):
        """The worker has ended: its totals stay, its array may be freed."""
        cdef uint64_t *slots = <uint64_t *>address
        cdef int at = self.place(address)
        if at < 0:
            raise ValueError("not the address of an attached array of slots")
        self.workers_len -= 1
        self.workers[at] = self.workers[self.workers_len]
        slots[STAT_LATE] = 0
        self.keep(slots, STAT_FIRST, self.used)
        self.keep(slots, self.late.slots_first, self.late.slots_first + atomic_load(&self.late.slots_taken))
        self.keep_blocks(slots, self.cap // 2, self.cap // 2 + self.used_blocks)
        self.keep_blocks(slots, self.late.blocks_first, self.late.blocks_first + atomic_load(&self.late.blocks_taken))

    cdef void keep(self, uint64_t *slots, size_t first, size_t end) noexcept:
        # Reading a page that was never written costs nothing, writing one does.
        cdef size_t i
        for i in range(first, end):
            if slots[i] != 0:
                self.own[i] += slots[i]

    cdef void keep_blocks(self, uint64_t *slots, size_t first, size_t end) noexcept:
        cdef uint64_t *block
        cdef size_t i
        cdef uint32_t cell
        for i in range(first, end):
            block = <uint64_t *>slots[i]
            for cell in range(BLOCK_CELLS if block != NULL else 0):
                if block[cell] != 0:
                    block_add(self.own, <uint32_t>i, cell, block[cell])

    # --- reading ---

    cdef uint64_t raw(self, Group group, uint32_t at) noexcept:
        cdef size_t slot = group.slot + at
        cdef uint64_t total = self.own[slot]
        cdef uint32_t own = group.layout.own_at[at]
        cdef int i
        if own != 0 and own <= group.own_len:
            total += group.own[own - 1]
        for i in range(self.workers_len):
            total += self.workers[i][slot]
        return total

    cdef dict counted(self, size_t first, uint32_t blocks):
        # {block * BLOCK_CELLS + cell: raw count} of all cells that are not zero.
        cdef dict found = NONE
        cdef uint64_t *block
        cdef size_t i
        cdef int w
        cdef uint32_t cell
        for i in range(first, first + blocks):
            for w in range(-1, self.workers_len):
                block = <uint64_t *>published_word(&(self.own if w < 0 else self.workers[w])[i])
                if block == NULL:
                    continue
                if found is NONE:
                    found = {}
                for cell in range(BLOCK_CELLS):
                    if block[cell] != 0:
                        n = (i - first) * BLOCK_CELLS + cell
                        found[n] = found.get(n, 0) + block[cell]
        return found

    def _counts(self, Group group, int place):
        # {bin or code: raw count} of a histogram or of codes.
        kind = group.layout.kinds[place]
        counts = self.counted(group.block + group.layout.at[place], blocks_of[<int>kind])
        if kind == CODES:
            return {FIRST_CODE + n: count for n, count in counts.items()} if counts else NONE
        return {bin_of_cell(n): count for n, count in counts.items()} if counts else NONE

    def flush(self):
        """Ends an interval: histograms show from now on what was recorded until now (Envoy's stats_flush_interval)."""
        cdef Group group
        cdef Cells cells
        for value in self._all():
            group = value
            for place in group.layout.blocky:
                if group.layout.kinds[<int>place] != HISTOGRAM:
                    continue
                counts = self._counts(group, place)
                if counts:
                    cells = self._cells(group, place)
                    merged = {b: n - cells.base.get(b, 0) for b, n in counts.items() if n > cells.base.get(b, 0)}
                    cells.fresh = {b: n - cells.total.get(b, 0) for b, n in merged.items() if n > cells.total.get(b, 0)}
                    cells.total = merged

    def _cells(self, Group group, place):
        if group.cells is NONE:
            group.cells = {}
        found = group.cells.get(place)
        if found is None:
            found = group.cells[place] = Cells(NONE)
        return found

    def reset_counters(self):
        """All counters begin at 0 again; gauges and histograms stay, as in Envoy."""
        cdef Group group
        cdef Cells cells
        for value in self._all():
            group = value
            for place in group.layout.order:
                if group.layout.kinds[<int>place] == COUNTER:
                    self._reset(group, place)
                elif group.layout.kinds[<int>place] == CODES:
                    counts = self._counts(group, place)
                    if counts:
                        cells = self._cells(group, place)
                        cells.seen |= {code for code, n in counts.items() if n > cells.base.get(code, 0)}
                        cells.base = counts

    def _reset(self, Group group, int place):
        cdef uint32_t at = group.layout.at[place]
        cdef uint64_t count = self.raw(group, at)
        if count == (group.base[at] if group.base != NULL else 0):
            return
        if group.base == NULL:
            group.base = <uint64_t *>calloc(group.layout.slots, sizeof(uint64_t))
            if group.base == NULL:
                raise MemoryError
        group.base[at] = count
        if group.touched is None:
            group.touched = set()
        group.touched.add(place)

    def _sample(self, Group group, int place):
        cdef uint64_t rose, fell
        cdef uint32_t at = group.layout.at[place]
        cdef uint64_t *base = group.base
        name = group.prefix + group.layout.names[place]
        kind = group.layout.kinds[place]
        if kind == TEXT:
            return Sample(name, "text", group.values.get(place, ""), place in group.values)
        rose = self.raw(group, at) - (base[at] if base != NULL else 0)
        if kind == COUNTER:
            return Sample(name, "counter", rose, rose != 0 or (group.touched is not None and place in group.touched))
        fell = self.raw(group, at + 1) - (base[at + 1] if base != NULL else 0)
        used = rose != 0 or fell != 0 or place in group.values
        return Sample(name, "gauge", <int64_t>(rose - fell) + group.values.get(place, 0), used)

    def _code_samples(self, Group group, int place):
        cdef Cells cells = self._cells(group, place)
        counts = self._counts(group, place)
        for code in cells.seen | counts.keys():
            value = counts.get(code, 0) - cells.base.get(code, 0)
            if value > 0 or code in cells.seen:
                yield Sample(f"{group.prefix}{group.layout.names[place]}{code}", "counter", value, True)

    def _group_samples(self, Group group):
        # What a group shows, by name.
        cdef list found = []
        cdef Layout layout = group.layout
        cdef int place
        for place in layout.order:
            if layout.kinds[place] == CODES:
                if place in group.cells or self._counts(group, place):
                    found.extend(self._code_samples(group, place))
                continue
            sample = self._sample(group, place)
            if sample.used or not layout.lazy[place]:
                found.append(sample)
        if group.source is not None:
            found += [Sample(group.prefix + name, "gauge", value, True) for name, value in group.source.gauges().items()]
            found += [Sample(group.prefix + name, "counter", value, True) for name, value in group.source.counters().items()]
        if len(found) > 1:
            found.sort(key=name_of)
        return found

    def _runs(self):
        # Groups by prefix, in runs of which no name of one lies among those of another.
        run = []
        for group in sorted(self._all(), key=prefix_of):
            if run and not group.prefix.startswith(run[0].prefix):
                yield run
                run = []
            run.append(group)
        if run:
            yield run

    def samples(self):
        """Yields all counters, gauges and texts in the order of their names; lazy ones only once they were used."""
        for run in self._runs():
            if len(run) == 1:
                yield from self._group_samples(run[0])
            else:
                yield from sorted([sample for group in run for sample in self._group_samples(group)], key=name_of)

    def snapshot(self):
        """{name: value} of all counters, gauges and texts that `samples` shows."""
        return {sample.name: sample.value for sample in self.samples()}

    def value(self, str name):
        """The value of one counter, gauge or text; KeyError when there is no such name."""
        found = self._find(name) or self._find_late(name)
        if found is not None:
            return self._sample(*found).value
        cut = name.rfind(".") + 1
        while cut > 0:
            # A status code, or a gauge that is worked out.
            if name[:cut] in self.groups:
                for sample in self._group_samples(self.groups[name[:cut]]):
                    if sample.name == name:
                        return sample.value
            cut = name.rfind(".", 0, cut - 1) + 1
        raise KeyError(name)

    def histograms(self):
        """Yields all histograms as of the last flush, in the order of their names."""
        cdef Group group
        cdef Cells cells
        for run in self._runs():
            found = []
            for value in run:
                group = value
                for place in group.layout.blocky:
                    if group.layout.kinds[<int>place] == HISTOGRAM:
                        if group.slot >= self.late.slots_first and not self._counts(group, place):
                            continue
                        cells = group.cells.get(place, EMPTY)
                        found.append(HistogramSample(group.prefix + group.layout.names[place], Distribution(cells.fresh),
                                                     Distribution(cells.total)))
            found.sort(key=name_of)
            yield from found


cdef int set_cells(Group group, uint32_t at, int64_t value) except -1:
    # So that the main thread's part is `value`; a gauge that was ever set has risen, even if to 0.
    cdef uint64_t rose = group.own_cell(at)[0]
    cdef uint64_t fell = group.own_cell(at + 1)[0]
    cdef int64_t by = value - <int64_t>(rose - fell)
    if by > 0:
        group.own_cell(at)[0] = rose + <uint64_t>by
    elif by < 0:
        group.own_cell(at + 1)[0] = fell + <uint64_t>-by
    elif rose == 0 and fell == 0:
        group.own_cell(at)[0] = 1
        group.own_cell(at + 1)[0] = 1
    return 0


cdef Cells EMPTY = Cells(NONE)


def name_of(sample):
    return sample.name


def prefix_of(group):
    return group.prefix


def text_hash(str text):
    """xxHash64 of a text: what a version is as a number."""
    raw = text.encode()
    return xxhash64(<const char *>raw, len(raw), 0)


cdef uint32_t bin_of_cell(uint32_t n):
    # The bin of a cell of a histogram: the first block holds 0 to 9, each other one the ninety bins of its decade.
    return n if n < BLOCK_CELLS else 10 + (n // BLOCK_CELLS - 1) * 90 + n % BLOCK_CELLS


cdef str kind_of(Group group):
    return KINDS[<int>group.layout.kinds[0]] if len(group.layout.names) == 1 else "group"


class WorkerSlots:
    """An array of slots for tests: what a worker owns, driven from Python."""

    def __init__(self, size_t cap=STAT_SLOTS):
        self.cap = cap
        self.address = <size_t>slots_new(cap)

    def inc(self, uint32_t slot, uint64_t amount=1):
        stat_add(<uint64_t *><size_t>self.address, slot, amount)

    def move(self, uint32_t slot, int64_t amount):
        gauge_add(<uint64_t *><size_t>self.address, slot, amount)

    def code(self, uint32_t first, uint32_t status):
        code_inc(<uint64_t *><size_t>self.address, first, status)

    def record(self, uint32_t first, uint64_t value):
        histogram_record(<uint64_t *><size_t>self.address, first, value)

    def record_many(self, uint32_t first, uint64_t value, int times):
        """For the benchmark: records `times` values without the interpreter."""
        cdef uint64_t *slots = <uint64_t *><size_t>self.address
        cdef int i
        with nogil:
            for i in range(times):
                histogram_record(slots, first, value + i)

    def late(self, bytes name, uint8_t kind=LATE_COUNTER):
        """The first slot and pointer slot of a name that comes now; None: it finds no room."""
        cdef Span part = span(name, len(name))
        cdef const LateStat *stat = late_stat(<uint64_t *><size_t>self.address, &part, 1, kind)
        return None if stat == NULL else (stat.slot, stat.block)

    def close(self):
        slots_free(<uint64_t *><size_t>self.address, self.cap)
        self.address = 0
