"""/stats/prometheus: names split into a metric and labels by Envoy's default tag rules, in the text exposition format.

Owns the tag rules. A rule finds a part of the full name; the part becomes a label and leaves the metric's name. All
rules look at the name as it was, so their order only decides the order of labels. Pure: samples in, text out; the
split of a name is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from mesh.admin.stats_query import BadQuery, StatsQuery
from meshcore.bind.distribution import BUCKETS, QUANTILES
from meshcore.bind.numbers import general

if TYPE_CHECKING:
    from meshcore.bind.distribution import HistogramSample, Sample

VALUE = r"[^.]+"
ADDRESS = r"(?:[_.\d]*|[_\[\]aAbBcCdDeEfF\d]*)"


def tokens(pattern: str) -> str:
    """A regular expression of a dotted pattern: `*` is one word, `**` any rest, `$` the word that is the label."""
    words = []
    for word in pattern.split("."):
        words.append({"*": VALUE, "**": ".*", "$": f"(({VALUE})"}.get(word, re.escape(word)))
    return "^" + r"\.".join(words).replace(rf"(({VALUE})\.", rf"(({VALUE})\.)") + "$"


ENDPOINT = "endpoint_address"  # with underscores for colons
# Group 1 leaves the name, group 2 (or group 1) is the value.
RULES: tuple[tuple[str, str], ...] = (
    ("response_code", r"_rq(_(\d{3}))$"),
    ("response_code_class", r"_rq_(\d)xx$"),
    (
        "dynamo_partition_id",
        rf"^http\.{VALUE}\.dynamodb\.table\.{VALUE}\.capacity\.{VALUE}(\.__partition_id=(\w{{7}}))$",
    ),
    ("dynamo_operation", rf"^http\.{VALUE}\.dynamodb.(?:operation|table\.{VALUE}\.capacity)(\.({VALUE}))(?:\.|$)"),
    ("mongo_callsite", tokens("mongo.*.collection.*.callsite.$.query.**")),
    ("dynamo_table", rf"^http\.{VALUE}\.dynamodb.(?:table|error)\.(({VALUE})\.)"),
    ("mongo_collection", tokens("mongo.*.collection.$.**.query.*")),
    ("mongo_cmd", tokens("mongo.*.cmd.$.**")),
    ("grpc_bridge_method", tokens("cluster.*.grpc.*.$.**")),
    ("http_user_agent", tokens("http.*.user_agent.$.**")),
    ("virtual_cluster", tokens("vhost.*.vcluster.$.**")),
    ("fault_downstream_cluster", tokens("http.*.fault.$.**")),
    ("ssl_cipher", r"^listener\..*?\.ssl\.ciphers(\.([\w-]+))$"),
    ("cipher_suite", rf"^cluster\.{VALUE}\.ssl\.ciphers(\.([\w-]+))$"),
    ("grpc_bridge_service", tokens("cluster.*.grpc.$.**")),
    ("tcp_prefix", tokens("tcp.$.**")),
    ("clientssl_prefix", tokens("auth.clientssl.$.**")),
    ("ratelimit_prefix", tokens("ratelimit.$.**")),
    ("rds_route_config", rf"^http\.{VALUE}\.rds\.(([\w.-]+)\.)\w+?$"),
    ("scoped_rds_config", rf"^http\.{VALUE}\.scoped_rds\.(([\w.-]+)\.)\w+?$"),
    ("rbac_http_prefix", rf"^http\.{VALUE}\.rbac\.((?!policy\.)({VALUE})\.)"),
    ("ext_authz_prefix", tokens("http.*.ext_authz.$.**")),
    ("health_check_name", rf"^cluster\.{VALUE}\.health_check(\.name\.({VALUE}))\."),
    ("cluster_name", tokens("cluster.$.**")),
    (ENDPOINT, rf"^cluster\.{VALUE}\.endpoint(\.(.+?))\.[a-z_]+$"),
    ("http_conn_manager_prefix", rf"^listener\..*?\.http\.(({VALUE})\.)"),
    ("http_conn_manager_prefix", tokens("http.$.**")),
    (
        "worker_id",
        rf"^(?:listener\.(?:{ADDRESS}|{VALUE})|server|listener_manager|thread_local_cluster_manager)\.worker_((\d+)\.)",
    ),
    ("listener_address", rf"^listener\.(?!admin\.)(({ADDRESS}|{VALUE})\.)"),
    ("virtual_host", tokens("vhost.$.**")),
    ("mongo_prefix", tokens("mongo.$.**")),
    ("route", tokens("vhost.*.route.$.**")),
    ("local_http_ratelimit_prefix", tokens("$.http_local_rate_limit.**")),
    ("local_network_ratelimit_prefix", tokens("local_rate_limit.$.**")),
    ("local_listener_ratelimit_prefix", tokens("listener_local_ratelimit.$.**")),
    ("connection_limit_prefix", tokens("connection_limit.$.**")),
    ("thrift_prefix", tokens("thrift.$.**")),
    ("redis_prefix", tokens("redis.$.**")),
    ("google_grpc_client_prefix", tokens("grpc.$.**")),
    ("xds_resource_name", rf"^sds\.(({VALUE})\.).+"),
)
COMPILED = tuple((f"envoy_{label}", re.compile(rule)) for label, rule in RULES)
INVALID = re.compile(r"[^a-zA-Z0-9_]")
ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


@lru_cache(maxsize=65536)
def split_name(name: str) -> tuple[str, str]:
    """(the name without its labels, the labels as they are printed)."""
    labels: dict[str, str] = {}
    cuts: list[tuple[int, int]] = []
    for label, rule in COMPILED:
        found = None if label in labels else rule.search(name)
        if found:
            labels[label] = found[rule.groups].replace("_", ":") if label == f"envoy_{ENDPOINT}" else found[rule.groups]
            cuts.append(found.span(1))
    kept = name
    for start, end in sorted(cuts, reverse=True):
        kept = kept[:start] + kept[end:]
    return kept, ",".join(f'{label}="{value.translate(ESCAPES)}"' for label, value in labels.items())


def metric_name(kept: str) -> str:
    """envoy_ and the name with what Prometheus does not allow as underscores."""
    return "envoy_" + INVALID.sub("_", kept)


def scalar_lines(metric: str, labels: str, sample: Sample) -> list[str]:
    if sample.kind == "text":
        text = f'text_value="{str(sample.value).translate(ESCAPES)}"'
        return [f"{metric}{{{labels}{',' if labels else ''}{text}}} 0"]
    return [f"{metric}{{{labels}}} {sample.value}"]


def bucket_lines(metric: str, labels: str, histogram: HistogramSample) -> list[str]:
    before = labels + "," if labels else ""
    lines = [
        f'{metric}_bucket{{{before}le="{bound:.32g}"}} {n}'
        for bound, n in zip(BUCKETS, histogram.total.below(BUCKETS), strict=True)
    ]
    lines.append(f'{metric}_bucket{{{before}le="+Inf"}} {histogram.total.count}')
    lines.append(f"{metric}_sum{{{labels}}} {histogram.total.sum():.32g}")
    lines.append(f"{metric}_count{{{labels}}} {histogram.total.count}")
    return lines


def summary_lines(metric: str, labels: str, histogram: HistogramSample) -> list[str]:
    before = labels + "," if labels else ""
    lines = [
        f'{metric}{{{before}quantile="{general(q)}"}} {value:.32g}'
        for q, value in zip(QUANTILES, histogram.interval.quantiles(), strict=True)
    ]
    lines.append(f"{metric}_sum{{{labels}}} {histogram.interval.sum():.32g}")
    lines.append(f"{metric}_count{{{labels}}} {histogram.interval.count}")
    return lines


def grouped(stats: Iterable[Sample | HistogramSample], kind: str, lines: Callable[..., list[str]]) -> list[str]:
    """The lines of all statistics, gathered by metric, under a TYPE line each."""
    split = sorted(((*split_name(stat.name), stat) for stat in stats), key=lambda row: (row[0], row[2].name))
    out = []
    for kept, rows in groupby(split, key=lambda row: row[0]):
        metric = metric_name(kept)
        out.append(f"# TYPE {metric} {kind}")
        for _, labels, stat in rows:
            out += lines(metric, labels, stat)
    return out


def render(samples: list[Sample], histograms: list[HistogramSample], query: StatsQuery = StatsQuery()) -> str:  # noqa: B008
    """The page. Raises BadQuery for a bucket mode that this format has not."""
    if query.buckets == "prometheusnative":
        raise BadQuery("unsupported prometheusnative histogram type when not using protobuf exposition format")
    if query.buckets not in ("", "cumulative", "summary"):
        raise BadQuery("unsupported prometheus histogram bucket mode")
    lines = grouped(query.select(samples, "counter"), "counter", scalar_lines)
    lines += grouped(query.select(samples, "gauge"), "gauge", scalar_lines)
    if query.text_readouts:
        lines += grouped(query.select(samples, "text"), "gauge", scalar_lines)
    as_summary = query.buckets == "summary"
    wanted = query.select_histograms(histograms)
    lines += grouped(wanted, "summary", summary_lines) if as_summary else grouped(wanted, "histogram", bucket_lines)
    return "".join(line + "\n" for line in lines)
