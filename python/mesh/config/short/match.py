"""`match` of a route: a host and a path in one text.

/                   every path               api.example.com        every path of that host
/v1                 /v1 and below, not /v1x   api.example.com/v1     both
/v1/                what begins with /v1/     *.example.com          every host below example.com
= /health           exactly that path         = example.com/health   exactly, on that host
~ /items/[0-9]+     the whole path matches    ~ example.com/i/[0-9]+ a regular expression, on that host
"""

from __future__ import annotations

import re
from typing import Any

from meshcore.bind.record import record

HOST = re.compile(r"(\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?|\[[0-9A-Fa-f:.]+\])(:\d+)?")


@record
class Match:
    """`host` "" is every host; `path` is the path part of an Envoy RouteMatch."""

    host: str
    path: dict[str, Any]


def parse(text: str) -> Match | str:
    """The match, or what is wrong with the text."""
    kind, rest = "prefix", text.strip()
    if rest[:1] in ("=", "~"):
        kind, rest = ("path" if rest[0] == "=" else "safe_regex"), rest[1:].strip()
    slash = rest.find("/")
    host, path = (rest, "") if slash < 0 else (rest[:slash], rest[slash:])
    if host and not HOST.fullmatch(host):
        return f"'{host}' is no host name; write host/path, /path, = /path or ~ /regex"
    if not host and not path:
        return "is empty; write / to match everything"
    if kind == "path" and not path:
        return "an exact match needs a path, as in = /health"
    if kind != "safe_regex" and "?" in path:
        return "a query is no part of a path; write it below if_query"
    if kind == "safe_regex":
        return Match(_host(host), {"safe_regex": {"regex": path}}) if path else "a regular expression begins with /"
    if kind == "path":
        return Match(_host(host), {"path": path})
    return Match(_host(host), _prefix(path or "/"))


def _prefix(path: str) -> dict[str, Any]:
    """A prefix that ends between two segments, unless it ends with a slash or holds what Envoy does not split by
    segment."""
    if path.endswith("/") or "#" in path:
        return {"prefix": path}
    return {"path_separated_prefix": path}


def _host(host: str) -> str:
    return "" if host == "*" else host.lower()


def covers(pattern: str, host: str) -> bool:
    """Whether every request for `host` (itself maybe a pattern) is one for `pattern`."""
    if not pattern or pattern == host:
        return True
    if pattern.startswith("*.") and not host.endswith("*"):
        return host.endswith(pattern[1:]) and host != pattern[1:]
    if pattern.endswith(".*") and not host.startswith("*"):
        return host.startswith(pattern[:-1])
    return False
