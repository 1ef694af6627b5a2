"""What a request to /stats asks for: which statistics, in which form.

Owns the query parameters and their errors, nothing of the output. Called by the admin server and the stats pages, on
the main thread. Parameter names, values and error texts are Envoy's; the filter is a Python regular expression,
searched in the full name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from meshcore.bind.record import record

if TYPE_CHECKING:
    from meshcore.bind.distribution import HistogramSample, Sample

FORMATS = ("html", "active-html", "json", "prometheus", "text")
BUCKET_MODES = ("cumulative", "disjoint", "detailed", "summary", "prometheusnative")
KINDS = {"Counters": "counter", "Gauges": "gauge", "Histograms": "histogram", "TextReadouts": "text", "All": ""}


class BadQuery(ValueError):
    """The query is refused: the answer is 400 with this text."""


@record
class StatsQuery:
    """`kind`: counter | gauge | histogram | text, or "" for all. `buckets`: one of BUCKET_MODES, "" when not said."""

    used_only: bool = False
    pattern: re.Pattern[str] | None = None
    invert: bool = False
    kind: str = ""
    buckets: str = ""
    format: str = "text"
    text_readouts: bool = False

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> StatsQuery:
        """Reads decoded query parameters (the first value of each); raises BadQuery."""
        form = params.get("format", "text")
        if form not in FORMATS:
            raise BadQuery("usage: /stats?format=(html|active-html|json|prometheus|text)\n\n")
        buckets = params.get("histogram_buckets", "")
        if buckets and buckets not in BUCKET_MODES:
            raise BadQuery("usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n")
        if params.get("type", "All") not in KINDS:
            raise BadQuery("invalid &type= param")
        pattern = None
        if params.get("filter"):
            try:
                pattern = re.compile(params["filter"])
            except re.error as wrong:
                raise BadQuery(f"Invalid regex: {wrong}") from None
        return cls(
            used_only="usedonly" in params,
            pattern=pattern,
            invert="invert_filter" in params,
            kind=KINDS[params.get("type", "All")],
            buckets=buckets,
            format=form,
            text_readouts="text_readouts" in params,
        )

    def wants(self, name: str, used: bool) -> bool:
        if self.used_only and not used:
            return False
        return self.pattern is None or (self.pattern.search(name) is None) == self.invert

    def select(self, samples: Iterable[Sample], *kinds: str) -> list[Sample]:
        """The samples of these kinds that are asked for, in order."""
        return [s for s in samples if s.kind in kinds and self.kind in ("", s.kind) and self.wants(s.name, s.used)]

    def select_histograms(self, histograms: Iterable[HistogramSample]) -> list[HistogramSample]:
        return [h for h in histograms if self.kind in ("", "histogram") and self.wants(h.name, h.used)]
