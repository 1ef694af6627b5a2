"""What a Thrift route configuration lowers to: plain values without Envoy's messages, which bind/thrift_routes.pyx compiles.

Names are those of envoy.extensions.filters.network.thrift_proxy.v3. Immutable; nothing here checks what the configuration layer must.
"""

from __future__ import annotations

from dataclasses import dataclass

from meshcore.bind.spec import HeaderMatch


@dataclass(slots=True, frozen=True)
class ThriftRoute:
    """RouteMatch and RouteAction: exactly one of `method_name` and `service_name` is set (empty: every call), and exactly one of
    `cluster`, `weighted` ((name, weight) pairs) and `cluster_header`."""

    method_name: str | None = None
    service_name: str | None = None
    invert: bool = False
    headers: tuple[HeaderMatch, ...] = ()
    cluster: str = ""
    weighted: tuple[tuple[str, int], ...] = ()
    cluster_header: str = ""
    strip_service_name: bool = False


@dataclass(slots=True, frozen=True)
class ThriftRoutes:
    """RouteConfiguration."""

    name: str
    routes: tuple[ThriftRoute, ...] = ()
