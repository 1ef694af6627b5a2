"""A rate limit service with grpcio: what it says is in what it is asked, so that two proxies can share it.

A descriptor with the value `over` is over its limit, `error` ends the call with a status, `held` is answered after `release`. `asked` has
the descriptors of each question by the domain that asked.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc

LIMIT_S = 30.0
Descriptor = tuple[tuple[str, str], ...]


@contextmanager
def raw_limiter(answers: Iterator[bytes]) -> Iterator[int]:
    """The port of a service whose next answer is the next of these bytes."""
    handlers = {"ShouldRateLimit": grpc.unary_unary_rpc_method_handler(lambda request, call: next(answers))}
    generic = grpc.method_handlers_generic_handler("envoy.service.ratelimit.v3.RateLimitService", handlers)
    server = grpc.server(ThreadPoolExecutor(1), handlers=[generic], options=[("grpc.so_reuseport", 0)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


class Limiter(rls_pb2_grpc.RateLimitServiceServicer):  # type: ignore[misc]
    def __init__(self) -> None:
        self.asked: dict[str, list[list[Descriptor]]] = defaultdict(list)
        self.metadata: list[dict[str, Any]] = []
        self.started = threading.Event()
        self.release = threading.Event()
        self.cancelled = threading.Event()
        self.server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        rls_pb2_grpc.add_RateLimitServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> Limiter:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self.server.stop(None).wait()

    def ShouldRateLimit(self, request: Any, call: grpc.ServicerContext) -> Any:
        descriptors = [tuple((entry.key, entry.value) for entry in one.entries) for one in request.descriptors]
        self.metadata.append(dict(call.invocation_metadata()))
        self.asked[request.domain].append(descriptors)
        said = {value for one in descriptors for _, value in one}
        if "held" in said:
            call.add_callback(self.cancelled.set)
            self.started.set()
            self.release.wait(LIMIT_S)
        if "error" in said:
            call.abort(grpc.StatusCode.UNAVAILABLE, "said so")
        over = "over" in said
        answer = rls_pb2.RateLimitResponse(overall_code=2 if over else 1, raw_body=b"slow down" if over else b"")
        answer.response_headers_to_add.add(key="x-limited", value=str(over).lower())
        return answer


def limiter_cluster(name: str, *ports: int, **fields: Any) -> dict[str, Any]:
    """Of hosts that speak HTTP/2."""
    places = [{"socket_address": {"address": "127.0.0.1", "port_value": port}} for port in ports]
    hosts = [{"endpoint": {"address": place}} for place in places]
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {"@type": f"type.googleapis.com/{kind}", "explicit_http_config": {"http2_protocol_options": {}}}
    load = {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]}
    return {"name": name, "load_assignment": load, "typed_extension_protocol_options": {kind: options}, **fields}


def service(cluster: str, **envoy_grpc: Any) -> dict[str, Any]:
    return {"transport_api_version": "V3", "grpc_service": {"envoy_grpc": {"cluster_name": cluster, **envoy_grpc}}}
