"""The table of admin pages: which path belongs to which file, whether it needs POST, and what /help says of it.

Texts of paths and parameters are Envoy's. Owns no behaviour: a page is the function `page(proxy, query) -> Reply` of the module that is
named here, imported when it is first asked for. Read by the admin server, /help and the home page, on the pages' threads.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from meshcore.bind.record import field, record

CHECKBOX = ("",)  # `choices` of a parameter that is only there or not


@record
class Query:
    """A request to a page: its path, and its decoded parameters (the first of each name)."""

    path: str
    params: dict[str, str] = field(default_factory=dict)


@record
class Param:
    """A query parameter. `choices`: the values it may have, CHECKBOX, or () for any text."""

    name: str
    about: str
    choices: tuple[str, ...] = ()


@record
class Page:
    """`module`: file below mesh.admin. `post`: it changes something, so GET is refused. `slow`: may take longer than /ready can wait."""

    module: str
    about: str
    post: bool = False
    params: tuple[Param, ...] = ()
    slow: bool = False


LEVELS = ("", "trace", "debug", "info", "warning", "error", "critical", "off")
USED_ONLY = Param("usedonly", "Only include stats that have been written by system since restart", CHECKBOX)
STATS_FILTER = (
    Param("filter", "Regular expression for filtering stats"),
    Param("invert_filter", "Invert the filter regex", CHECKBOX),
)

PAGES: dict[str, Page] = {
    "/": Page("home", "Admin home page"),
    "/certs": Page("certs", "print certs on machine", slow=True),
    "/clusters": Page(
        "clusters",
        "upstream cluster status",
        params=(
            Param("filter", "Regular expression for filtering clusters by name"),
            Param("format", "File format to use", ("text", "json")),
        ),
        slow=True,
    ),
    "/config_dump": Page(
        "config_dump",
        "dump current Envoy configs",
        params=(
            Param("resource", "The resource to dump"),
            Param(
                "mask",
                "The mask to apply. When both resource and mask are specified, the mask is applied to every element in the desired "
                "repeated field so that only a subset of fields are returned. The mask is parsed as a Protobuf::FieldMask",
            ),
            Param(
                "name_regex",
                "Dump only the currently loaded configurations whose names match the specified regex. Can be used with both resource "
                "and mask query parameters.",
            ),
            Param("include_eds", "Dump currently loaded configuration including EDS", CHECKBOX),
        ),
        slow=True,
    ),
    "/drain_listeners": Page(
        "drain_listeners",
        "drain listeners",
        post=True,
        params=(
            Param("graceful", "When draining listeners, enter a graceful drain period prior to closing listeners", CHECKBOX),
            Param("skip_exit", "When draining listeners, drain the connections but never stop the listeners", CHECKBOX),
            Param("inboundonly", "Drains all inbound listeners, those whose traffic_direction is INBOUND", CHECKBOX),
        ),
    ),
    "/healthcheck/fail": Page("healthcheck", "cause the server to fail health checks", post=True),
    "/healthcheck/ok": Page("healthcheck", "cause the server to pass health checks", post=True),
    "/help": Page("help", "print out list of admin commands"),
    "/hot_restart_version": Page("hot_restart_version", "print the hot restart compatibility version"),
    "/listeners": Page("listeners", "print listener info", params=(Param("format", "File format to use", ("text", "json")),)),
    "/logging": Page(
        "logging",
        "query/change logging levels",
        post=True,
        params=(
            Param(
                "paths",
                "Change multiple logging levels by setting to <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>",
            ),
            Param("group", "Needs fine-grain logging, which mesh does not have: always refused"),
            Param("level", "desired logging level, this will change all loggers's level", LEVELS),
        ),
    ),
    "/memory": Page("memory", "print current allocation/heap usage"),
    "/quitquitquit": Page("quitquitquit", "exit the server", post=True),
    "/ready": Page("ready", "print server state, return 200 if LIVE, otherwise return 503"),
    "/reopen_logs": Page("reopen_logs", "reopen access logs", post=True),
    "/reset_counters": Page("reset_counters", "reset all counters to zero", post=True),
    "/runtime": Page("runtime", "print runtime values"),
    "/runtime_modify": Page(
        "runtime",
        "Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty string as the "
        "value. Note that deletion only applies to overrides added via this endpoint; values loaded from disk can be modified via "
        "override but not deleted. E.g. ?key1=value1&key2=value2...",
        post=True,
    ),
    "/server_info": Page("server_info", "print server version/status information"),
    "/stats": Page(
        "stats",
        "print server stats",
        params=(
            USED_ONLY,
            *STATS_FILTER,
            Param("format", "Format to use", ("text", "json", "prometheus")),
            Param("type", "Stat types to include.", ("All", "Counters", "Histograms", "Gauges", "TextReadouts")),
            Param("histogram_buckets", "Histogram bucket display mode", ("cumulative", "disjoint", "detailed", "summary")),
        ),
        slow=True,
    ),
    "/stats/prometheus": Page(
        "stats",
        "print server stats in prometheus format",
        params=(
            USED_ONLY,
            Param("text_readouts", "Render text_readouts as new gauges with value 0 (increases Prometheus data size)", CHECKBOX),
            *STATS_FILTER,
            Param("histogram_buckets", "Histogram bucket display mode", ("cumulative", "summary")),
        ),
        slow=True,
    ),
}


def function(module: str) -> Callable[[Any, Query], Any]:
    """The page function of a module below mesh.admin."""
    found: Callable[[Any, Query], Any] = import_module(f"mesh.admin.{module}").page
    return found
