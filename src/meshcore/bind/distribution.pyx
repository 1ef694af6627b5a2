"""What readers of statistics are given: samples, and histograms with their quantiles, buckets and sums.

Owns the arithmetic, which is circllhist's as Envoy uses it, so that the same values print the same. Plain values that hold no slots;
any thread with the GIL.
"""
from libc.math cimport NAN, ceil
from libc.stdint cimport int64_t, uint64_t

from meshcore.observe.counters cimport bin_lower, bin_step, histogram_bin

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
        """[(lower bound, width, count)] in order: a value of one digit stands for a tenth of its unit, as bins keep two digits."""
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


def bin_of(uint64_t value):
    """(lower bound, distance to the next bin) of the bin that a value falls into."""
    return bin_lower(histogram_bin(value)), bin_step(histogram_bin(value))
