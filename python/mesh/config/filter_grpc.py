"""The gRPC filters: envoy.extensions.filters.http.grpc_web.v3.GrpcWeb, which has no settings.

Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.fields import Fields
from mesh.config.lowering import Lowering
from meshcore.bind import filter_spec

GRPC_WEB = Fields("envoy.extensions.filters.http.grpc_web.v3.GrpcWeb", set())


def lower_grpc_web(message: Any, low: Lowering, path: str) -> filter_spec.GrpcWeb:
    GRPC_WEB.check(message, low.report, path)
    return filter_spec.GrpcWeb()
