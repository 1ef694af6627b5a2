"""/stats and /stats/prometheus: the registry's statistics in the form that the query asks for."""

from __future__ import annotations

from typing import Any

from mesh.admin import stats_json, stats_prometheus, stats_text
from mesh.admin.pages import Query
from mesh.admin.stats_query import BadQuery, StatsQuery
from mesh.filters import Reply

RENDERERS = {
    "text": (stats_text.render, "text/plain; charset=UTF-8"),
    "json": (stats_json.render, "application/json"),
    "prometheus": (stats_prometheus.render, "text/plain; version=0.0.4"),
}


def page(proxy: Any, query: Query) -> Reply:
    try:
        wanted = StatsQuery.parse(query.params)
    except BadQuery as error:
        return Reply(400, f"{error}")
    form = "prometheus" if query.path == "/stats/prometheus" else wanted.format
    if form not in RENDERERS:
        return Reply(400, f"format={form} is not available here: use text, json or prometheus\n")
    render, content_type = RENDERERS[form]
    proxy.refresh_server_stats()
    samples = [sample for sample in proxy.registry.samples() if wanted.wants(sample.name, sample.used)]
    return Reply(200, render(samples, list(proxy.registry.histograms()), wanted), content_type)
