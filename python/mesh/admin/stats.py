"""/stats and /stats/prometheus: the registry's statistics in the form that the query asks for."""

from __future__ import annotations

from typing import Any

from mesh.admin import stats_html, stats_json, stats_prometheus, stats_text
from mesh.admin.pages import Query
from mesh.admin.stats_query import BadQuery, StatsQuery
from mesh.filters import Reply

RENDERERS = {
    "text": (stats_text.render, "text/plain; charset=UTF-8"),
    "html": (stats_html.render, "text/html; charset=UTF-8"),
    "active-html": (stats_html.render, "text/html; charset=UTF-8"),
    "json": (stats_json.render, "application/json"),
    "prometheus": (stats_prometheus.render, "text/plain; version=0.0.4"),
}


def page(proxy: Any, query: Query) -> Reply:
    try:
        wanted = StatsQuery.parse(query.params)
    except BadQuery as error:
        return Reply(400, f"{error}")
    render, content_type = RENDERERS["prometheus" if query.path == "/stats/prometheus" else wanted.format]
    proxy.refresh_server_stats()
    samples = [sample for sample in proxy.registry.samples() if wanted.wants(sample.name, sample.used)]
    return Reply(200, render(samples, list(proxy.registry.histograms()), wanted), content_type)
