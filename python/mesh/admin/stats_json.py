"""/stats?format=json: one object, scalars first, then one object with all histograms. Byte for byte what Envoy prints.

Pure: samples in, text out. Called by the admin server on the main thread.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from mesh.admin.stats_query import StatsQuery
from mesh.admin.stats_text import disjoint
from meshcore.bind.distribution import BUCKETS, QUANTILES
from meshcore.bind.numbers import shortest

if TYPE_CHECKING:
    from meshcore.bind.distribution import Distribution, HistogramSample, Sample

SUPPORTED = ",".join(shortest(round(100 * q, 6)) for q in QUANTILES)


def number(value: float) -> str:
    return "null" if math.isnan(value) else shortest(value)


def quantiles(histogram: HistogramSample) -> str:
    pairs = zip(histogram.interval.quantiles(), histogram.total.quantiles(), strict=True)
    return ",".join(f'{{"cumulative":{number(total)},"interval":{number(interval)}}}' for interval, total in pairs)


def bins(distribution: Distribution) -> str:
    return ",".join(
        f'{{"lower_bound":{shortest(lower)},"width":{shortest(width)},"count":{n}}}'
        for lower, width, n in distribution.parts()
    )


def bounded(histogram: HistogramSample, mode: str) -> str:
    split = disjoint if mode == "disjoint" else lambda distribution: distribution.below(BUCKETS)
    rows = zip(BUCKETS, split(histogram.interval), split(histogram.total), strict=True)
    return ",".join(f'{{"upper_bound":{shortest(b)},"interval":{i},"cumulative":{t}}}' for b, i, t in rows)


def histograms_json(histograms: list[HistogramSample], mode: str) -> str:
    names = [json.dumps(h.name, ensure_ascii=False) for h in histograms]
    if mode in ("cumulative", "disjoint"):
        each = [f'{{"name":{name},"buckets":[{bounded(h, mode)}]}}' for name, h in zip(names, histograms, strict=True)]
        return f'{{"histograms":[{",".join(each)}]}}'
    if mode == "detailed":
        each = [
            f'{{"name":{name},"totals":[{bins(h.total)}],"intervals":[{bins(h.interval)}],"percentiles":[{quantiles(h)}]}}'
            for name, h in zip(names, histograms, strict=True)
        ]
        return f'{{"histograms":{{"supported_percentiles":[{SUPPORTED}],"details":[{",".join(each)}]}}}}'
    each = [f'{{"name":{name},"values":[{quantiles(h)}]}}' for name, h in zip(names, histograms, strict=True)]
    return f'{{"histograms":{{"supported_quantiles":[{SUPPORTED}],"computed_quantiles":[{",".join(each)}]}}}}'


def render(samples: list[Sample], histograms: list[HistogramSample], query: StatsQuery = StatsQuery()) -> str:  # noqa: B008
    """The page as one line of JSON."""
    scalars = [*query.select(samples, "text"), *query.select(samples, "counter", "gauge")]
    items = [
        f'{{"name":{json.dumps(s.name, ensure_ascii=False)},"value":{json.dumps(s.value, ensure_ascii=False)}}}'
        for s in scalars
    ]
    wanted = query.select_histograms(histograms)
    if wanted:
        items.append(histograms_json(wanted, query.buckets))
    return f'{{"stats":[{",".join(items)}]}}'
