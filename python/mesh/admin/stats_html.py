"""/stats?format=html: the statistics for a browser, under a form that asks for others. active-html asks again by itself.

Pure: samples in, text out. Loads nothing from elsewhere, runs no script, and quotes every text: names and values come from configuration
and traffic. Called by the admin server on the pages' threads.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mesh.admin import stats_text
from mesh.admin.stats_query import BUCKET_MODES, FORMATS, KINDS, StatsQuery

if TYPE_CHECKING:
    from meshcore.bind.distribution import HistogramSample, Sample

AGAIN_S = 5
HEAD = """<!DOCTYPE html>
<html lang='en'>
<head>
  <title>Envoy Admin: stats</title>
{again}  <style>
    body, button, input, select {{ font-family: sans-serif; font-size: medium; }}
    form > * {{ margin-right: 16px; }}
  </style>
</head>
<body>
  <form action='stats' method='get'>
"""
TAIL = "</pre>\n</body>\n</html>\n"


def choice(name: str, values: tuple[str, ...], chosen: str) -> str:
    options = "".join(f"<option{' selected' if value == chosen else ''}>{escape(value)}</option>" for value in values)
    return f"    <label>{name} <select name='{name}'>{options}</select></label>\n"


def tick(name: str, ticked: bool) -> str:
    return f"    <label><input type='checkbox' name='{name}'{' checked' if ticked else ''}> {name}</label>\n"


def render(samples: list[Sample], histograms: list[HistogramSample], query: StatsQuery) -> str:
    """The page; the form shows what was asked for."""
    pattern = query.pattern.pattern if query.pattern else ""
    kind = next(name for name, value in KINDS.items() if value == query.kind)
    again = f"  <meta http-equiv='refresh' content='{AGAIN_S}'>\n" if query.format == "active-html" else ""
    form = [
        "    <a href='.'>all commands</a>\n",
        tick("usedonly", query.used_only),
        f"    <label>filter <input type='text' name='filter' value='{escape(pattern)}'></label>\n",
        tick("invert_filter", query.invert),
        choice("type", tuple(KINDS), kind),
        choice("histogram_buckets", BUCKET_MODES, query.buckets or "summary"),
        choice("format", FORMATS, query.format),
        "    <button>stats</button>\n  </form>\n<pre>\n",
    ]
    return HEAD.format(again=again) + "".join(form) + escape(stats_text.render(samples, histograms, query)) + TAIL
