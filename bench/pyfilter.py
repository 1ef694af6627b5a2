"""What a Python filter costs: `python -m bench.pyfilter`; CPU microseconds per request without a filter, with a synchronous and an async
one.

One process of one worker with three listeners that differ in nothing but the filter, so that what is compared shares its memory, its
upstream connections and its moment: each round loads the listeners one after the other. The synchronous filter reads one header and adds
one; the asynchronous one does the same and awaits nothing. `--aio` measures the engine inside an asyncio loop instead. The filters are
classes of this module, because a configuration names them by import path. Rows go where the other rows go; ends with 1 when a load saw
errors.
"""

import asyncio
import json
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import mesh
import mesh.aio
from bench import account, ask, machine, rows
from bench.failure import BenchFailure
from bench.load import wrk
from bench.load.wrk import Load
from bench.machine import ROOT
from bench.running import await_ready, running
from bench.scenarios.scenario import Sample
from bench.upstream.origin import origin

TYPES = "type.googleapis.com/"
HCM = TYPES + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = TYPES + "envoy.extensions.filters.http.router.v3.Router"
CONNECTIONS = 64
WARM_S = 0.5
LIMITS_US = {"sync": 2.5, "async": 15.0}


class Sync(mesh.Filter):
    def on_request(self, request: Any) -> None:
        if request.get("host-agent") is None:
            request.add("x-seen", "yes")


class Async(mesh.Filter):
    async def on_request(self, request: Any) -> None:
        if request.get("host-agent") is None:
            request.add("x-seen", "yes")


FILTERS: dict[str, type[mesh.Filter] | None] = {"none": None, "sync": Sync, "async": Async}


def _listener(name: str, kind: type[mesh.Filter] | None) -> dict[str, Any]:
    chain: list[dict[str, Any]] = [{"name": "router", "typed_config": {"@type": ROUTER}}]
    if kind is not None:
        value = {"class": f"bench.pyfilter:{kind.__name__}"}
        typed = {"@type": TYPES + "xds.type.v3.TypedStruct", "type_url": "mesh.filters.python", "value": value}
        chain.insert(0, {"name": name, "typed_config": typed})
    action = {"cluster": "up", "retry_policy": {"retry_on": "5xx", "num_retries": 1}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action}]}]
    manager = {"@type": HCM, "stat_prefix": name, "route_config": {"virtual_hosts": hosts}, "http_filters": chain}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    return {"name": name, "address": address, "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}]}


def _bootstrap(upstream: int) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": upstream}}
    hosts = {"cluster_name": "up", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}
    cluster = {"name": "up", "connect_timeout": "1s", "load_assignment": hosts}
    listeners = [_listener(name, kind) for name, kind in FILTERS.items()]
    return {"static_resources": {"listeners": listeners, "clusters": [cluster]}}


def _serve(upstream: int, tell: Callable[[dict[str, int]], None]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    with mesh.Proxy(_bootstrap(upstream), concurrency=1) as proxy:
        tell({name: address.port for name, address in proxy.listeners.items()})
        signal.sigwait([signal.SIGTERM])


async def _serve_aio(upstream: int, tell: Callable[[dict[str, int]], None]) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with mesh.aio.Proxy(_bootstrap(upstream)) as proxy:
        tell({name: address.port for name, address in proxy.listeners.items()})
        await ended.wait()


def _sample(pid: int, port: int, seconds: float, core: int, folder: Path) -> Sample:
    load = Load(CONNECTIONS)
    wrk.drive(load, port, WARM_S, core, folder)
    before = account.cpu_ns([pid])
    outcome = wrk.drive(load, port, seconds, core, folder)
    spent_us = (account.cpu_ns([pid]) - before) / 1000
    if outcome.requests == 0:
        raise BenchFailure(f"no request was answered: {outcome.errors}")
    metrics = {
        "us_per_request": spent_us / outcome.requests,
        "rps": outcome.requests / outcome.seconds,
        "p50_us": float(outcome.p50_us),
        "p99_us": float(outcome.p99_us),
    }
    return Sample(metrics, CONNECTIONS, outcome.requests, outcome.errors)


def _measure(n_rounds: int, seconds: float, aio: bool, folder: Path) -> dict[str, list[Sample]]:
    cores = machine.cores()
    machine.claim(cores)
    samples: dict[str, list[Sample]] = {name: [] for name in FILTERS}
    told, log = folder / "ports.json", folder / "proxy.log"
    (folder / "upstream").mkdir()
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}:{ROOT / 'python'}"}
    with origin(folder / "upstream", cores.load) as upstream:
        command = [sys.executable, "-m", "bench.pyfilter", "--serve", str(upstream.port), "--ports", str(told)]
        with running(command + ["--aio"] * aio, cores.proxy, log, environment) as process:
            await_ready(process, log, told.exists, "the proxy")
            ports: dict[str, int] = json.loads(told.read_text())
            for port in ports.values():
                await_ready(process, log, lambda port=port: ask.answers(port, "/"), "a listener")  # type: ignore[misc]
            for _ in range(n_rounds):
                for name, port in ports.items():
                    samples[name].append(_sample(process.pid, port, seconds, cores.load, folder))
    return samples


def _show(samples: dict[str, list[Sample]]) -> None:
    base = [sample.metrics["us_per_request"] for sample in samples["none"]]
    for name, found in samples.items():
        costs = [sample.metrics["us_per_request"] for sample in found]
        more = statistics.median(cost - without for cost, without in zip(costs, base, strict=True))
        limit = f" (at most {LIMITS_US[name]})" if name in LIMITS_US else ""
        p99 = statistics.median(sample.metrics["p99_us"] for sample in found)
        click.echo(f"{name:6} {statistics.median(costs):6.2f} us/request  {more:+6.2f}{limit}  p99 {p99:.0f} us")


@click.command()
@click.option("--rounds", "n_rounds", default=5, type=click.IntRange(1), show_default=True)
@click.option("--seconds", default=2.0, type=click.FloatRange(0.1), show_default=True, help="length of a measured load")
@click.option("--aio", is_flag=True, help="the engine inside an asyncio loop instead of a worker thread")
@click.option("--out", default=rows.RESULTS, type=click.Path(path_type=Path, file_okay=False), help="folder of the rows")
@click.option("--serve", type=int, hidden=True)
@click.option("--ports", type=click.Path(path_type=Path), hidden=True)
def main(n_rounds: int, seconds: float, aio: bool, out: Path, serve: int | None, ports: Path | None) -> None:
    """Compares a route without a filter with the same route behind a Python filter."""
    if serve is not None and ports is not None:

        def tell(bound: dict[str, int]) -> None:
            half = ports.with_suffix(".half")
            half.write_text(json.dumps(bound))
            half.rename(ports)

        if aio:
            asyncio.run(_serve_aio(serve, tell))
        else:
            _serve(serve, tell)
        return
    with tempfile.TemporaryDirectory() as folder:
        samples = _measure(n_rounds, seconds, aio, Path(folder))
    _show(samples)
    if reason := rows.refusal([sample for found in samples.values() for sample in found]):
        raise click.ClickException(reason)
    facts = machine.facts()
    door = "aio" if aio else "thread"
    for name, found in samples.items():
        rows.append([rows.row(facts, f"pyfilter_{door}", name, machine.commit(), seconds, found)], out)


if __name__ == "__main__":
    main()
