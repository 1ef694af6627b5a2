"""mesh.Proxy from start to stop: sources, both kinds of `with`, failures on the way, several in one process."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

import mesh
from tests.filters.bootstrap import bootstrap
from tests.filters.wire import Client, Mirror, ask

ADMIN = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}


def answering(text: str, **more: Any) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": text}}}
    return bootstrap(routes=[route], **more)


def worker_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("mesh-worker")]


def test_it_runs_a_dict() -> None:
    with mesh.Proxy(bootstrap(), concurrency=1) as proxy:
        assert ask(proxy.listeners["main"].port).text == "hello"


def test_it_runs_a_file_of_json(tmp_path: Path) -> None:
    path = tmp_path / "envoy.json"
    path.write_text(json.dumps(bootstrap()))
    for source in (path, str(path)):
        with mesh.Proxy(source, concurrency=1) as proxy:
            assert ask(proxy.listeners["main"].port).text == "hello"


def test_it_runs_a_message() -> None:
    from envoy.config.bootstrap.v3 import bootstrap_pb2
    from google.protobuf import json_format

    message = json_format.ParseDict(bootstrap(), bootstrap_pb2.Bootstrap())
    with mesh.Proxy(message, concurrency=1) as proxy:
        assert ask(proxy.listeners["main"].port).text == "hello"


def test_it_runs_what_was_loaded_before() -> None:
    from mesh.config import load

    with mesh.Proxy(load(bootstrap()), concurrency=1) as proxy:
        assert ask(proxy.listeners["main"].port).text == "hello"


def test_it_runs_the_short_form(tmp_path: Path, mirror: Mirror) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text(f"listen: 127.0.0.1:0\nroutes:\n  - match: /\n    to: 127.0.0.1:{mirror.port}\n")
    with mesh.Proxy(path, concurrency=1) as proxy:
        (address,) = proxy.listeners.values()
        assert ask(address.port).headers["x-mirror"] == "yes"


@pytest.mark.parametrize("concurrency", [1, 2, 4])
def test_all_workers_listen_on_the_same_free_port(concurrency: int) -> None:
    with mesh.Proxy(bootstrap(), concurrency=concurrency) as proxy:
        port = proxy.listeners["main"].port
        assert port > 0 and len(worker_threads()) == concurrency
        assert {ask(port).text for _ in range(20 * concurrency)} == {"hello"}
        assert proxy.stats["http.ingress.downstream_rq_2xx"] == 20 * concurrency


def test_concurrency_is_by_default_what_the_process_may_use() -> None:
    with mesh.Proxy(bootstrap()) as proxy:
        assert len(worker_threads()) == proxy.concurrency == len(os.sched_getaffinity(0))


def test_async_with_does_not_stop_the_loop_and_runs_async_hooks_on_it(mirror: Mirror) -> None:
    loops = []

    class Where(mesh.Filter):
        async def on_request(self, request: Any) -> None:
            loops.append(asyncio.get_running_loop())

    async def main() -> None:
        async with mesh.Proxy(bootstrap(Where, upstream=mirror.port), concurrency=2) as proxy:
            answer = await asyncio.to_thread(ask, proxy.listeners["main"].port)
            assert answer.status == 200 and loops == [asyncio.get_running_loop()]
        assert proxy.state == "STOPPED"

    asyncio.run(main())


def test_async_with_ends_the_hooks_that_are_out() -> None:
    ended = []

    async def main() -> None:
        inside = asyncio.Event()

        class Holds(mesh.Filter):
            async def on_request(self, request: Any) -> None:
                inside.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append(request.gone)

        async with mesh.Proxy(bootstrap(Holds), concurrency=1) as proxy:
            client = Client(proxy.listeners["main"].port)
            client.send()
            await inside.wait()
        assert len(ended) == 1 and len(asyncio.all_tasks()) == 1
        with client:
            assert client.ended()

    asyncio.run(main())


def test_async_hooks_have_a_loop_of_their_own_when_the_application_has_none() -> None:
    threads = []

    class Where(mesh.Filter):
        async def on_request(self, request: Any) -> None:
            threads.append(threading.current_thread().name)

    with mesh.Proxy(bootstrap(Where), concurrency=1) as proxy:
        assert ask(proxy.listeners["main"].port).status == 200
    assert threads == ["mesh-filters"]


def test_several_proxies_live_in_one_process() -> None:
    with mesh.Proxy(answering("a"), concurrency=1) as a, mesh.Proxy(answering("b"), concurrency=2) as b:
        ports = a.listeners["main"].port, b.listeners["main"].port
        assert [ask(port).text for port in ports] == ["a", "b"]
        a.stop()
        assert ask(ports[1]).text == "b"
        with pytest.raises(ConnectionError):
            ask(ports[0])
        assert a.stats["http.ingress.downstream_rq_2xx"] == 1 and b.stats["http.ingress.downstream_rq_2xx"] == 2


def test_stop_cuts_open_connections_and_may_be_called_twice() -> None:
    proxy = mesh.Proxy(bootstrap(), concurrency=2).start()
    clients = [Client(proxy.listeners["main"].port) for _ in range(20)]
    for client in clients:
        client.send()
        assert client.answer().status == 200
    assert proxy.live_objects() >= 20
    proxy.stop()
    proxy.stop()
    assert proxy.live_objects() == 0 and proxy.state == "STOPPED" and worker_threads() == []
    for client in clients:
        with client:
            assert client.ended()


def test_stop_before_start_does_nothing() -> None:
    proxy = mesh.Proxy(bootstrap(), concurrency=1)
    assert proxy.state == "PRE_INITIALIZING"
    proxy.stop()


@pytest.mark.parametrize("stopped", [False, True])
def test_it_starts_once(stopped: bool) -> None:
    proxy = mesh.Proxy(bootstrap(), concurrency=1).start()
    try:
        if stopped:
            proxy.stop()
        with pytest.raises(RuntimeError, match="started before; make a new one"):
            proxy.start()
        assert stopped or ask(proxy.listeners["main"].port).status == 200
    finally:
        proxy.stop()


def test_what_needs_a_running_proxy_says_so() -> None:
    proxy = mesh.Proxy(bootstrap(), concurrency=1)
    for use in (lambda: proxy.listeners, lambda: proxy.apply(bootstrap()), proxy.reopen_logs):
        with pytest.raises(RuntimeError, match="has not been started"):
            use()


def test_a_port_in_use_names_the_listener_and_leaves_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        proxy = mesh.Proxy(bootstrap(port=port), concurrency=2)
        with pytest.raises(OSError, match=r"listener 'main': .*in use"):
            proxy.start()
        assert proxy.live_objects() == 0 and worker_threads() == []
    with mesh.Proxy(bootstrap(port=port), concurrency=2) as again:
        assert again.listeners["main"].port == port and ask(port).text == "hello"


def test_an_admin_port_in_use_stops_the_start_and_leaves_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        source = bootstrap() | {"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}}
        source["admin"]["address"]["socket_address"]["port_value"] = taken.getsockname()[1]
        proxy = mesh.Proxy(source, concurrency=1)
        with pytest.raises(OSError, match="admin"):
            proxy.start()
        assert proxy.live_objects() == 0 and worker_threads() == []


def test_a_filter_that_cannot_be_made_stops_the_start_and_leaves_nothing() -> None:
    class Refuses(mesh.Filter):
        def __init__(self, config: Any = None) -> None:
            raise KeyError("limit")

    with pytest.raises(ValueError, match="refused its config"):
        mesh.Proxy(bootstrap(Refuses), concurrency=2).start()
    assert worker_threads() == []


@pytest.mark.parametrize(
    "source",
    [{"static_resources": {"listeners": 1}}, {"static_resources": {"listenerz": []}}, "/no/such/file.yaml"],
    ids=["type", "typo", "file"],
)
def test_a_bad_source_is_refused_before_anything_starts(source: Any) -> None:
    with pytest.raises((mesh.ConfigError, OSError)):
        mesh.Proxy(source)
    assert worker_threads() == []


def test_the_admin_interface_belongs_to_the_proxy() -> None:
    with mesh.Proxy(bootstrap() | {"admin": ADMIN}, concurrency=1) as proxy:
        assert proxy.admin_address is not None
        port = proxy.admin_address.port
        assert ask(port, "/ready").text == "LIVE\n"
    with pytest.raises(ConnectionError):
        ask(port, "/ready")


def test_a_proxy_without_admin_has_no_address() -> None:
    with mesh.Proxy(bootstrap(), concurrency=1) as proxy:
        assert proxy.admin_address is None


@pytest.mark.slow
def test_many_lives_leave_nothing(mirror: Mirror) -> None:
    """The watch of the folder compares descriptors and threads afterwards."""
    for _ in range(30):
        with mesh.Proxy(bootstrap(upstream=mirror.port), concurrency=2) as proxy, Client(proxy.listeners["main"].port) as client:
            client.send()
            assert client.answer().status == 200
        assert proxy.live_objects() == 0
