"""mesh.aio.Proxy from start to stop: on the loop's own thread, without a leak, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

import mesh
import mesh.aio
from tests.aio.client import get
from tests.aio.conftest import Run
from tests.filters.bootstrap import bootstrap, cluster, to_upstream
from tests.filters.wire import Mirror


def answering(text: str) -> dict[str, Any]:
    return bootstrap(
        routes=[{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": text}}}]
    )


def test_it_proxies_for_a_client_on_the_same_loop(run: Run, mirror: Mirror) -> None:
    async def main() -> None:
        async with mesh.aio.Proxy(bootstrap(upstream=mirror.port)) as proxy:
            answers = await asyncio.gather(*(get(proxy.listeners["main"].port, f"/{n}") for n in range(50)))
            assert [status for status, _ in answers] == [200] * 50
            assert all(f"GET /{n} HTTP/1.1" in body for n, (_, body) in enumerate(answers))
            assert proxy.stats["http.ingress.downstream_rq_2xx"] == 50
            assert proxy.state == "LIVE" and proxy.live_objects() > 0
        assert proxy.state == "STOPPED" and proxy.live_objects() == 0

    run(main)


def test_it_takes_a_path(run: Run, tmp_path: Path, mirror: Mirror) -> None:
    short = tmp_path / "mesh.yaml"
    short.write_text(f"listen: 127.0.0.1:0\nroutes:\n  - match: /\n    to: 127.0.0.1:{mirror.port}\n")

    async def main() -> None:
        async with mesh.aio.Proxy(short) as proxy:
            (address,) = proxy.listeners.values()
            assert (await get(address.port))[0] == 200

    run(main)


def test_synchronous_hooks_run_on_the_thread_of_the_loop_and_async_hooks_on_the_loop(run: Run) -> None:
    seen: list[Any] = []

    class Where(mesh.Filter):
        def on_response(self, response: Any) -> None:
            seen.append(threading.current_thread())

        async def on_request(self, request: Any) -> None:
            seen.append(asyncio.get_running_loop())

    async def main() -> None:
        async with mesh.aio.Proxy(bootstrap(Where)) as proxy:
            await get(proxy.listeners["main"].port)
        assert seen == [asyncio.get_running_loop(), threading.current_thread()]

    run(main)


def test_no_worker_thread_is_started(run: Run) -> None:
    async def main() -> None:
        async with mesh.aio.Proxy(bootstrap()):
            assert [t.name for t in threading.enumerate() if t.name.startswith("mesh-worker")] == []

    run(main)


def test_a_hook_may_call_the_application(run: Run) -> None:
    """What the embedding is for: the filter and the application share objects and the loop, and nothing is locked."""
    questions: list[asyncio.Future[str]] = []
    asked = asyncio.Event()

    class Asks(mesh.Filter):
        async def on_request(self, request: Any) -> mesh.Reply:
            question = asyncio.get_running_loop().create_future()
            questions.append(question)
            asked.set()
            return mesh.Reply(200, await question)

    async def main() -> None:
        async with mesh.aio.Proxy(bootstrap(Asks)) as proxy:
            asking = asyncio.ensure_future(get(proxy.listeners["main"].port))
            await asked.wait()
            questions[0].set_result("from the app")
            assert await asking == (200, "from the app")

    run(main)


def test_apply_changes_listeners_clusters_and_routes(run: Run, mirror: Mirror) -> None:
    async def main() -> None:
        async with mesh.aio.Proxy(answering("one")) as proxy:
            port = proxy.listeners["main"].port
            assert await get(port) == (200, "one")
            await proxy.apply(answering("two"))
            assert proxy.listeners["main"].port == port and await get(port) == (200, "two")
            source = answering("three")
            source["static_resources"]["listeners"].append(
                bootstrap(upstream=1, routes=[to_upstream()])["static_resources"]["listeners"][0] | {"name": "second"}
            )
            source["static_resources"]["clusters"] = [cluster("up", mirror.port)]
            await proxy.apply(source)
            assert (await get(proxy.listeners["second"].port))[1].startswith("GET / HTTP/1.1")
            await proxy.apply(answering("four"))
            assert list(proxy.listeners) == ["main"] and await get(port) == (200, "four")

    run(main)


def test_an_apply_that_fails_keeps_what_ran(run: Run) -> None:
    async def main() -> None:
        taken = socket.create_server(("127.0.0.1", 0))
        with taken:
            async with mesh.aio.Proxy(answering("old")) as proxy:
                bad = answering("new")
                second = bootstrap(port=taken.getsockname()[1])["static_resources"]["listeners"][0]
                bad["static_resources"]["listeners"].append(second | {"name": "second"})
                with pytest.raises(OSError, match="second"):
                    await proxy.apply(bad)
                with pytest.raises(mesh.ConfigError):
                    await proxy.apply({"static_resources": {"listeners": 1}})
                assert await get(proxy.listeners["main"].port) == (200, "old")

    run(main)


def test_drain_lets_a_request_end_and_refuses_new_connections(run: Run) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    class Holds(mesh.Filter):
        async def on_request(self, request: Any) -> None:
            inside.set()
            await go_on.wait()

    async def main() -> None:
        async with mesh.aio.Proxy(bootstrap(Holds)) as proxy:
            port = proxy.listeners["main"].port
            asking = asyncio.ensure_future(get(port))
            await inside.wait()
            assert not await proxy.drain(0.05) and proxy.state == "DRAINING"
            with pytest.raises(ConnectionError):
                await get(port)
            go_on.set()
            assert await proxy.drain(10)
            assert await asking == (200, "hello")

    run(main)


def test_stop_cancels_hooks_and_cuts_connections(run: Run) -> None:
    inside, ended = asyncio.Event(), asyncio.Event()

    class Holds(mesh.Filter):
        async def on_request(self, request: Any) -> None:
            inside.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    async def main() -> None:
        proxy = await mesh.aio.Proxy(bootstrap(Holds)).start()
        asking = asyncio.ensure_future(get(proxy.listeners["main"].port))
        await inside.wait()
        await proxy.stop()
        assert ended.is_set() and proxy.live_objects() == 0
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await asking
        await proxy.stop()

    run(main)


def test_a_cancelled_application_leaves_nothing(run: Run) -> None:
    async def serve(started: asyncio.Event) -> None:
        async with mesh.aio.Proxy(bootstrap()):
            started.set()
            await asyncio.Event().wait()

    async def main() -> None:
        started = asyncio.Event()
        serving = asyncio.ensure_future(serve(started))
        await started.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    run(main)


def test_a_start_that_is_cancelled_leaves_nothing(run: Run) -> None:
    async def main() -> None:
        for turns in range(4):
            proxy = mesh.aio.Proxy(bootstrap())
            starting = asyncio.ensure_future(proxy.start())
            for _ in range(turns):
                await asyncio.sleep(0)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            assert proxy.live_objects() == 0

    run(main)


@pytest.mark.parametrize("source", [{"static_resources": {"listeners": 1}}, "no/such/file.yaml"], ids=["config", "file"])
def test_a_start_that_fails_leaves_nothing(run: Run, source: Any) -> None:
    async def main() -> None:
        proxy = mesh.aio.Proxy(source)
        with pytest.raises((mesh.ConfigError, OSError)):
            await proxy.start()
        assert proxy.state == "STOPPED" and proxy.live_objects() == 0
        with pytest.raises(RuntimeError, match="not running"):
            proxy.listeners  # noqa: B018

    run(main)


def test_a_port_in_use_names_the_listener(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="listener 'main'"):
            await mesh.aio.Proxy(bootstrap(port=taken.getsockname()[1])).start()

    run(main)


def test_it_starts_once(run: Run) -> None:
    async def main() -> None:
        async with mesh.aio.Proxy(bootstrap()) as proxy:
            with pytest.raises(RuntimeError, match="started before"):
                await proxy.start()
        with pytest.raises(RuntimeError, match="started before"):
            await proxy.start()

    run(main)


def test_several_proxies_share_a_loop(run: Run) -> None:
    async def main() -> None:
        async with mesh.aio.Proxy(answering("a")) as a, mesh.aio.Proxy(answering("b")) as b:
            assert await get(a.listeners["main"].port) == (200, "a")
            assert await get(b.listeners["main"].port) == (200, "b")

    run(main)


def test_the_admin_interface_works_and_its_orders_reach_the_loop(run: Run) -> None:
    quits: list[threading.Thread] = []

    async def main() -> None:
        source = answering("x") | {"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}}
        done = asyncio.Event()

        def on_quit() -> None:
            quits.append(threading.current_thread())
            done.set()

        async with mesh.aio.Proxy(source, on_quit=on_quit) as proxy:
            assert proxy.admin_address is not None
            port = proxy.admin_address.port
            assert await get(port, "/ready") == (200, "LIVE\n")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for page in ("reopen_logs", "quitquitquit"):
                writer.write(f"POST /{page} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".encode())
                assert b" 200 " in await reader.readline()
                await reader.readuntil(b"OK\n")
            await done.wait()
            writer.close()
            assert quits == [threading.current_thread()]

    run(main)


def test_names_are_resolved_off_the_loop(run: Run, mirror: Mirror) -> None:
    async def main() -> None:
        source = bootstrap(upstream=mirror.port)
        entry = source["static_resources"]["clusters"][0]
        entry |= {"type": "STRICT_DNS", "dns_lookup_family": "V4_ONLY"}
        address = entry["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
        address["socket_address"]["address"] = "localhost"
        async with mesh.aio.Proxy(source) as proxy:
            assert (await get(proxy.listeners["main"].port))[0] == 200

    run(main)
