"""A running proxy in this process for each test that asks for one; nothing of it is left afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import mesh
from tests.admin.asking import Page, ask, bootstrap

Ask = Callable[..., Page]


@pytest.fixture
def proxy() -> Iterator[mesh.Proxy]:
    running = mesh.Proxy(bootstrap(), concurrency=1, drain_time_s=0.2, drain_strategy="immediate")
    with running:
        yield running
    assert running.live_objects() == 0


@pytest.fixture
def get(proxy: mesh.Proxy) -> Ask:
    return lambda path, method="GET": ask(proxy.admin_address.port, path, method)


@pytest.fixture
def post(proxy: mesh.Proxy) -> Ask:
    return lambda path: ask(proxy.admin_address.port, path, "POST")
