"""/stats in text: `name: value` lines, then histograms as quantiles or buckets. Byte for byte what Envoy prints.

Pure: samples in, text out. Called by the admin server on the main thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mesh.admin.stats_query import StatsQuery
from meshcore.bind.distribution import BUCKETS, QUANTILES
from meshcore.bind.numbers import general

if TYPE_CHECKING:
    from meshcore.bind.distribution import Distribution, HistogramSample, Sample


def disjoint(distribution: Distribution) -> list[int]:
    """Values per bucket of BUCKETS, instead of up to each bound."""
    counts = distribution.below(BUCKETS)
    return [n - before for n, before in zip(counts, [0, *counts], strict=False)]


def summary(histogram: HistogramSample) -> str:
    pairs = zip(QUANTILES, histogram.interval.quantiles(), histogram.total.quantiles(), strict=True)
    return " ".join(f"P{100 * q:g}({general(i)},{general(t)})" for q, i, t in pairs)


def buckets(intervals: Iterable[int], totals: Iterable[int]) -> str:
    return " ".join(f"B{bound:g}({i},{t})" for bound, i, t in zip(BUCKETS, intervals, totals, strict=True))


def parts(distribution: Distribution) -> str:
    return ", ".join(f"{lower},{general(width)}:{n}" for lower, width, n in distribution.parts())


def histogram_text(histogram: HistogramSample, mode: str) -> str:
    if not histogram.used:
        return f"{histogram.name}: No recorded values\n"
    if mode == "detailed":
        return (
            f"{histogram.name}:\n  totals={parts(histogram.total)}\n  intervals={parts(histogram.interval)}\n"
            f"  summary={summary(histogram)}\n"
        )
    if mode == "cumulative":
        return f"{histogram.name}: {buckets(histogram.interval.below(BUCKETS), histogram.total.below(BUCKETS))}\n"
    if mode == "disjoint":
        return f"{histogram.name}: {buckets(disjoint(histogram.interval), disjoint(histogram.total))}\n"
    return f"{histogram.name}: {summary(histogram)}\n"


def render(samples: list[Sample], histograms: list[HistogramSample], query: StatsQuery = StatsQuery()) -> str:  # noqa: B008
    """The page: texts, then counters and gauges, then histograms, each sorted by name."""
    lines = [f'{s.name}: "{s.value}"\n' for s in query.select(samples, "text")]
    lines += [f"{s.name}: {s.value}\n" for s in query.select(samples, "counter", "gauge")]
    lines += [histogram_text(h, query.buckets) for h in query.select_histograms(histograms)]
    return "".join(lines)
