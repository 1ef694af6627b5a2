"""A Thrift proxy with one listener, `main`, for the length of a `with` block; nothing may be alive behind it."""

from __future__ import annotations

from typing import Any

import mesh
from tests.thrift_proxy.talk import Client, bootstrap, listener


class Running:
    """`[name]` is a statistic."""

    def __init__(self, routes: list[dict[str, Any]], clusters: list[dict[str, Any]], **fields: Any) -> None:
        self.proxy = mesh.Proxy(bootstrap([listener("main", 0, routes, **fields)], clusters), concurrency=1)

    def __enter__(self) -> Running:
        self.proxy.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.proxy.stop()
        assert self.proxy.live_objects() == 0

    def client(self, transport: str = "auto", protocol: str = "auto") -> Client:
        return Client(self.proxy.listeners["main"].port, transport, protocol)

    def __getitem__(self, stat: str) -> int:
        return int(self.proxy.stats[stat])
