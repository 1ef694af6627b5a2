"""Fixtures: an upstream, and a watch over what a test leaves behind in this process."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

import mesh
from tests.filters.bootstrap import bootstrap
from tests.filters.wire import Mirror
from tests.peers.descriptors import open_descriptors


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    """libuv opens a pipe for the whole process with its first loop, and never closes it."""
    with mesh.Proxy(bootstrap(), concurrency=1):
        pass


@pytest.fixture(autouse=True)
def nothing_left(warm: None) -> Iterator[None]:
    gc.collect()
    before, threads = open_descriptors(), set(threading.enumerate())
    yield
    assert open_descriptors() - before == set()
    assert [t.name for t in threading.enumerate() if t not in threads and not t.name.startswith("asyncio_")] == []


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as upstream:
        yield upstream
