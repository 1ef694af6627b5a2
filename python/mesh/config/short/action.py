"""What a route of the short form does: `to`, `reply`, or `redirect`.

Each function makes the action part of one Envoy route from the keys that route.py documents. Retries of a number get
conditions under which no upstream has acted on the request, apart from 502, 503 and 504, which a person who writes
`retries: 2` means. Called by route.py alone.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from mesh.config.errors import join
from mesh.config.scalars import shown
from mesh.config.short.match import Match
from mesh.config.short.target import Clusters
from mesh.config.short.value import Reader

RETRY_KEYS = ("count", "on", "per_try", "back_off")
RETRY_ON = "gateway-error,connect-failure,refused-stream,reset-before-request"
REDIRECT_KEYS = ("to", "code", "keep_query")
REDIRECT_CODES = {
    301: "MOVED_PERMANENTLY", 302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT", 308: "PERMANENT_REDIRECT",
}  # fmt: skip
STATUS_RANGE = (200, 599)


def tree(kind: str, item: dict[str, Any], path: str, match: Match, clusters: Clusters, reader: Reader) -> dict[str, Any]:
    """The action part of an Envoy route."""
    if kind == "to":
        return {"route": _forward(item, path, match, clusters, reader)}
    if kind == "reply":
        return {"direct_response": _reply(item["reply"], join(path, "reply"), reader)}
    return {"redirect": _redirect(item["redirect"], join(path, "redirect"), reader)}


def _forward(item: dict[str, Any], path: str, match: Match, clusters: Clusters, reader: Reader) -> dict[str, Any]:
    found: dict[str, Any] = {"cluster": clusters.use(item["to"], join(path, "to"))}
    for key in ("timeout", "idle_timeout"):
        if item.get(key) is not None:
            found[key] = reader.duration(item[key], join(path, key))
    if item.get("retries") is not None:
        found["retry_policy"] = _retry(item["retries"], join(path, "retries"), reader)
    if item.get("rewrite") is not None:
        found |= _rewrite(reader.text(item["rewrite"], join(path, "rewrite")), match, join(path, "rewrite"), reader)
    host = item.get("host", "keep")
    if host == "upstream":
        found["auto_host_rewrite"] = True
    elif host != "keep":
        found["host_rewrite_literal"] = reader.text(host, join(path, "host"))
    if item.get("websocket") is not None:
        enabled = reader.flag(item["websocket"], join(path, "websocket"))
        found["upgrade_configs"] = [{"upgrade_type": "websocket", "enabled": enabled}]
    return found


def _rewrite(text: str, match: Match, path: str, reader: Reader) -> dict[str, Any]:
    if not text.startswith("/"):
        reader.refuse(path, f"{shown(text)} is no path; it begins with /")
    if "safe_regex" in match.path:
        reader.refuse(path, "a match by regular expression has no prefix to replace; remove it")
    return {"prefix_rewrite": text}


def _retry(value: Any, path: str, reader: Reader) -> dict[str, Any]:
    setting = value if isinstance(value, dict) else {"count": value}
    reader.keys(setting, RETRY_KEYS, path)
    conditions = ",".join(reader.texts(setting["on"], join(path, "on"))) if "on" in setting else RETRY_ON
    count_path = join(path, "count") if setting is value else path
    found: dict[str, Any] = {"retry_on": conditions, "num_retries": reader.count(setting.get("count", 1), count_path)}
    if "per_try" in setting:
        found["per_try_timeout"] = reader.duration(setting["per_try"], join(path, "per_try"))
    if "back_off" in setting:
        found["retry_back_off"] = {"base_interval": reader.duration(setting["back_off"], join(path, "back_off"))}
    return found


def _reply(value: Any, path: str, reader: Reader) -> dict[str, Any]:
    setting = value if isinstance(value, dict) else {"status": value}
    reader.keys(setting, ("status", "body"), path)
    at = join(path, "status") if setting is value else path
    found: dict[str, Any] = {"status": reader.count(setting.get("status", 200), at, *STATUS_RANGE)}
    if setting.get("body") is not None:
        found["body"] = {"inline_string": reader.text(setting["body"], join(path, "body"))}
    return found


def _redirect(value: Any, path: str, reader: Reader) -> dict[str, Any]:
    setting = value if isinstance(value, dict) else {"to": value}
    reader.keys(setting, REDIRECT_KEYS, path)
    found = _location(setting.get("to"), join(path, "to") if setting is value else path, reader)
    code = setting.get("code", 301)
    if not isinstance(code, int) or code not in REDIRECT_CODES:
        accepted = ", ".join(map(str, REDIRECT_CODES))
        reader.refuse(join(path, "code"), f"{shown(code)} is not accepted; one of {accepted}")
    elif code != 301:
        found["response_code"] = REDIRECT_CODES[code]
    if "keep_query" in setting and not reader.flag(setting["keep_query"], join(path, "keep_query")):
        found["strip_query"] = True
    return found


def _location(value: Any, path: str, reader: Reader) -> dict[str, Any]:
    """`https`, `/path`, or SCHEME://HOST[:PORT][/path]."""
    if value == "https":
        return {"https_redirect": True}
    if isinstance(value, str) and value.startswith("/"):
        return {"path_redirect": value}
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        port = parts.port if parts else None
    except ValueError:
        parts, port = None, None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        reader.refuse(path, f"{shown(value)} is no target; write https, /path or https://host/path")
        return {}
    found: dict[str, Any] = {"scheme_redirect": parts.scheme, "host_redirect": parts.hostname}
    if port is not None:
        found["port_redirect"] = port
    if parts.path:
        found["path_redirect"] = parts.path + (f"?{parts.query}" if parts.query else "")
    return found
