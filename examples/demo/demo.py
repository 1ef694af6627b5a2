"""The demo behind `make demo`: two servers, the proxy before them, traffic through it, and the death of one server.

Owns the three processes and ends them whatever happens. Uses envoy.yaml beside it with free ports put in, and can run
the same file with Envoy instead (`--proxy envoy`). Exits with 1 when a request failed before the kill, or more failed
after it than were in flight when it came; with 2 when something did not start.
"""

import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import yaml
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from traffic import Phase, Traffic

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
READY_S = 30.0
STOP_S = 5.0
SCHEDULER_CLOCK = 2  # linux/posix-timers.h: CPUCLOCK_SCHED of another process is (~pid << 3) | 2
NAMES = ("alpha", "beta")


class DemoFailure(Exception):
    """Something did not start; the text says what."""


@contextlib.contextmanager
def running(argv: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A child that is dead when the block is left; the kernel ends it should the demo itself be killed."""
    process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *argv], **options)
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_S)
        process.kill()
        process.wait(timeout=STOP_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def upstream(stack: ExitStack, name: str) -> tuple[subprocess.Popen[bytes], int]:
    """Starts one server; returns its process and its port."""
    argv = [sys.executable, str(HERE / "upstream.py"), name]
    process = stack.enter_context(running(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise DemoFailure(f"the upstream {name} did not start")
    return process, int(line)


def write_config(path: Path, listen: int, admin: int, upstreams: list[int]) -> None:
    """envoy.yaml with the ports of this run."""
    config = yaml.safe_load((HERE / "envoy.yaml").read_text())
    resources = config["static_resources"]
    endpoints = resources["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    owners = [config["admin"], resources["listeners"][0], *(endpoint["endpoint"] for endpoint in endpoints)]
    for owner, port in zip(owners, [admin, listen, *upstreams], strict=True):
        owner["address"]["socket_address"]["port_value"] = port
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def proxy_command(proxy: str, config: Path) -> list[str]:
    if proxy == "envoy":
        beside = Path(sys.executable).with_name("envoy")
        program = str(beside) if beside.exists() else "envoy"
        return [program, "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    return [sys.executable, "-m", "mesh", "serve", "-c", str(config), "--concurrency", "1"]


def proxy_environment() -> dict[str, str]:
    """Lets an uninstalled tree that was built in place be found."""
    if importlib.util.find_spec("mesh") is not None:
        return dict(os.environ)
    places = [str(REPOSITORY / "src"), str(REPOSITORY / "python"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def await_ready(process: subprocess.Popen[bytes], admin: int, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while admin_page(admin, "/ready") is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise DemoFailure(f"the proxy did not get ready:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.005)


def admin_page(admin: int, page: str) -> str | None:
    """Text of an admin page; None when it is not answered with 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}{page}", timeout=5) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError):
        return None


def counter(stats: str, name: str) -> int:
    for line in stats.splitlines():
        if line.startswith(name + ": "):
            return int(line.rpartition(" ")[2])
    return 0


def cpu_ns(process: subprocess.Popen[bytes]) -> int:
    """User and system time of all threads of a process, in nanoseconds."""
    return time.clock_gettime_ns((~process.pid << 3) | SCHEDULER_CLOCK)


def rss_mib(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def drive(console: Console, port: int, connections: int, requests: int, victim: subprocess.Popen[bytes]) -> list[Phase]:
    """Sends the traffic, kills `victim` half-way, and returns what happened before and after."""
    phases = [Phase("both upstreams up"), Phase(f"{NAMES[1]} killed")]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[shares]}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(phases[0].title, total=requests, shares="")

        def each(done: int) -> None:
            if done == requests // 2:
                victim.kill()
                traffic.phase = phases[1]
                progress.update(task, description=f"[red]{phases[1].title}[/]")
            if done % 100 == 0 or done == requests:
                seen = phases[0].by_upstream + phases[1].by_upstream
                progress.update(task, completed=done, shares="  ".join(f"{name} {seen[name]:,}" for name in NAMES))

        traffic = Traffic(port, connections, requests, phases[0], each)
        asyncio.run(traffic.run())
    return phases


def show(console: Console, phases: list[Phase]) -> None:
    table = Table(title="What happened (latency in ms)", title_justify="left", box=box.SIMPLE)
    table.add_column("", no_wrap=True)
    for heading in ("requests", "failed", "p50", "p90", "p99", *NAMES):
        table.add_column(heading, justify="right")
    for phase in phases:
        failed = phase.failures.total()
        table.add_row(
            phase.title,
            f"{phase.requests:,}",
            f"[red]{failed}[/]" if failed else "[green]0[/]",
            *(f"{phase.quantile_ms(share):.2f}" for share in (0.5, 0.9, 0.99)),
            *(f"{phase.by_upstream[name]:,}" for name in NAMES),
        )
    console.print(table)
    for phase in phases:
        for answer, count in phase.failures.items():
            console.print(f"{count:,} failed, {phase.title}: {answer}", style="red", markup=False)


def verdict(phases: list[Phase], in_flight: int) -> str:
    """What went wrong; empty when all is well."""
    before, after = phases
    if before.failures:
        return f"{before.failures.total()} requests failed while both upstreams were up: {dict(before.failures)}"
    if after.failures.total() > in_flight:
        failed = f"{after.failures.total()} requests failed after the kill"
        return f"{failed}, {in_flight} were in flight: {dict(after.failures)}"
    if not all(before.by_upstream[name] for name in NAMES):
        return f"one upstream was never asked: {dict(before.by_upstream)}"
    return ""


@click.command()
@click.option("--proxy", default="mesh", type=click.Choice(["mesh", "envoy"]), show_default=True)
@click.option("--requests", default=30_000, type=click.IntRange(100), show_default=True)
@click.option("--connections", default=16, type=click.IntRange(1, 500), show_default=True)
def main(proxy: str, requests: int, connections: int) -> None:
    """Shows the proxy at work: traffic to two servers, one of which dies half-way."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console()
    with tempfile.TemporaryDirectory(prefix="mesh-demo-") as name, ExitStack() as stack:
        config, log, listen, admin = Path(name, "envoy.yaml"), Path(name, "proxy.log"), free_port(), free_port()
        try:
            servers = [upstream(stack, server) for server in NAMES]
            write_config(config, listen, admin, [port for _, port in servers])
            console.print(f"upstreams: {', '.join(f'{n} on {p}' for n, (_, p) in zip(NAMES, servers, strict=True))}")
            sink = stack.enter_context(log.open("wb"))
            argv, began = proxy_command(proxy, config), time.monotonic()
            process = stack.enter_context(running(argv, stdout=sink, stderr=sink, env=proxy_environment()))
            await_ready(process, admin, log)
        except DemoFailure as failure:
            console.print(str(failure), style="red", markup=False)
            sys.exit(2)
        took_ms = (time.monotonic() - began) * 1000
        console.print(f"proxy:     {proxy} on {listen}, admin on {admin}, ready after {took_ms:.0f} ms")
        used_ns = cpu_ns(process)
        phases = drive(console, listen, connections, requests, servers[1][0])
        used_ns = cpu_ns(process) - used_ns
        stats = admin_page(admin, "/stats") or ""
        show(console, phases)
        retries = counter(stats, "cluster.greeters.upstream_rq_retry")
        console.print(
            f"The proxy used {used_ns / 1000 / requests:.1f} us of CPU per request and {rss_mib(process):.0f} MiB of "
            f"memory; it repeated {retries:,} tries that the dead upstream cut or refused."
        )
    wrong = verdict(phases, connections)
    if wrong:
        console.print(wrong, style="red", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
