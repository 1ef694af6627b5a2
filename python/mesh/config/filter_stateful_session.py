"""envoy.extensions.filters.http.stateful_session.v3.StatefulSession, by a cookie or a header, of a chain or of a route.

Envelope sessions are refused. Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering
from meshcore.bind import filter_spec

PACKAGE = "envoy.extensions.filters.http.stateful_session.v3"
STATES = "envoy.extensions.http.stateful_session"
SESSION = Fields(f"{PACKAGE}.StatefulSession", {"session_state", "strict", "stat_prefix"})
PER_ROUTE = Fields(f"{PACKAGE}.StatefulSessionPerRoute", {"disabled", "stateful_session"})
COOKIE_STATE = Fields(f"{STATES}.cookie.v3.CookieBasedSessionState", {"cookie"})
HEADER_STATE = Fields(f"{STATES}.header.v3.HeaderBasedSessionState", {"name"})
COOKIE = Fields("envoy.type.http.v3.Cookie", {"name", "path", "ttl", "attributes"})
KINDS = {table.message: table for table in (COOKIE_STATE, HEADER_STATE)}
OFF = filter_spec.StatefulSession(disabled=True)


def lower(message: Any, low: Lowering, path: str) -> filter_spec.StatefulSession:
    SESSION.check(message, low.report, path)
    if not message.HasField("session_state"):
        return OFF
    at = join(path, "session_state.typed_config")
    state, table = low.unpack(message.session_state.typed_config, at, KINDS, "a session state")
    if state is None:
        return OFF
    table.check(state, low.report, at)
    kept: Any = state
    if table is HEADER_STATE:
        return filter_spec.StatefulSession(header=kept.name.lower(), strict=message.strict, stat_prefix=message.stat_prefix)
    cookie = kept.cookie
    COOKIE.check(cookie, low.report, join(at, "cookie"))
    if not cookie.name:
        low.refuse(join(at, "cookie.name"), "required, and not set")
    return filter_spec.StatefulSession(
        cookie=cookie.name,
        path=cookie.path,
        ttl_s=int(cookie.ttl.seconds),
        attributes=tuple((item.name, item.value) for item in cookie.attributes),
        strict=message.strict,
        stat_prefix=message.stat_prefix,
    )


def lower_per_route(message: Any, low: Lowering, path: str) -> filter_spec.StatefulSession:
    PER_ROUTE.check(message, low.report, path)
    if message.WhichOneof("override") != "stateful_session":
        return OFF
    return lower(message.stateful_session, low, join(path, "stateful_session"))
