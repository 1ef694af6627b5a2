"""A worker has two ways to wait, io_uring and epoll: every fault is played on both."""

from __future__ import annotations

import pytest

import mesh


@pytest.fixture(params=["io_uring", "epoll"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way that proxies of this test wait, if the kernel has it."""
    name: str = request.param
    monkeypatch.setitem(mesh.Proxy.__init__.__kwdefaults__, "io_uring", name == "io_uring")
    return name
