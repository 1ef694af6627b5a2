"""`python -m mesh serve -c FILE`: runs one proxy until it is told to stop.

Options as Envoy has them. The main thread loads, starts the proxy and then only waits for signals: SIGTERM and SIGINT
drain and end with 0 (a second one ends at once), SIGHUP reads the file again and applies it or keeps the old one and
says why, SIGUSR1 reopens the logs. An admin request to quit ends the same wait. The engine's threads never see any of
this."""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
from typing import Any

import click

from mesh.cli import envoy_options, process_log
from mesh.cli.signals import WAKE, Signals
from meshcore.bind.record import record, values

STOP = (signal.SIGTERM, signal.SIGINT)
DRAIN_TIME_S = 600


@record
class Options:
    """What the command line said."""

    config_path: str | None
    config_yaml: str | None
    concurrency: int | None
    log_level: str
    node: dict[str, str]
    admin_address_path: str | None
    drain_time_s: int
    drain_strategy: str
    io_uring: bool


class Serve(click.Command):
    """Tells an option of Envoy's that mesh does not have from one that nobody has."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if name := envoy_options.refused(args):
            raise click.UsageError(f"{name} is an option of Envoy that mesh does not implement; remove it")
        return super().parse_args(ctx, [arg for arg in args if arg not in envoy_options.ACCEPTED_FLAGS])


@click.command("serve", cls=Serve, short_help="Run a proxy.", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-c", "--config-path", metavar="FILE", help="Envoy bootstrap (YAML, JSON, .pb, .pb_text) or mesh.yaml.")
@click.option("--config-yaml", metavar="YAML", help="YAML merged over the file.")
@click.option("--mode", type=click.Choice(["serve", "validate"]), default="serve", help="validate: check and exit.")
@click.option("--concurrency", type=click.IntRange(min=1), metavar="N", help="Worker threads; default: one per core.")
@click.option(
    "-l", "--log-level", type=click.Choice(list(process_log.LEVELS)), default="info", help="Of the process log."
)
@click.option("--service-node", metavar="ID", help="Replaces node.id.")
@click.option("--service-cluster", metavar="NAME", help="Replaces node.cluster.")
@click.option("--service-zone", metavar="ZONE", help="Replaces node.locality.zone.")
@click.option("--admin-address-path", metavar="FILE", help="The admin address is written there once it is bound.")
@click.option(
    "--drain-time-s", type=click.IntRange(min=0), default=DRAIN_TIME_S, metavar="S", help="Longest drain, of a listener or of all."
)
@click.option(
    "--drain-strategy", type=click.Choice(["gradual", "immediate"]), default="gradual",
    help="How a listener drains: its responses end their connections more and more often, or all of them.",
)
@click.option("--io-uring/--no-io-uring", default=True, help="Workers use it where the kernel lets them; else, and without it, epoll.")
def command(
    mode: str, service_node: str | None, service_cluster: str | None, service_zone: str | None, **rest: Any
) -> int:
    """Runs a proxy; options mean what they mean to Envoy."""
    if rest["config_path"] is None and not rest["config_yaml"]:
        raise click.UsageError("give a configuration: -c FILE (or --config-yaml YAML)")
    if mode == "validate":
        from mesh.cli.validate import check

        return check(rest["config_path"], rest["config_yaml"])
    named = {"id": service_node, "cluster": service_cluster, "zone": service_zone}
    return run(Options(node={key: value for key, value in named.items() if value}, **rest))


def run(options: Options) -> int:
    """Serves until told to stop; the exit code."""
    log = process_log.set_up(options.log_level)
    loaded = _load(options)
    from mesh.proxy import Proxy

    with Signals(*STOP, signal.SIGHUP, signal.SIGUSR1) as signals:
        proxy = Proxy(
            loaded,
            concurrency=options.concurrency,
            log_level=options.log_level,
            drain_time_s=options.drain_time_s,
            drain_strategy=options.drain_strategy,
            on_quit=signals.wake,
            io_uring=options.io_uring,
        )
        proxy.options = values(options)
        try:
            proxy.start()
        except OSError as error:
            raise click.ClickException(str(error)) from None
        try:
            gc.freeze()  # what a start leaves stays; to look through it takes 20 ms, or 0.4 s with ten thousand clusters
            _announce(proxy, options, log)
            _wait(proxy, options, signals, log)
        finally:
            proxy.stop()
    log.info("exiting")
    return 0


def _load(options: Options) -> Any:
    from mesh.config import load

    return load(options.config_path, overlay=options.config_yaml, node=options.node)


def _announce(proxy: Any, options: Options, log: logging.Logger) -> None:
    from mesh.config.listener import name_of

    for name, bound in proxy.listeners.items():
        log.info("listener '%s' on %s", name, name_of(bound))
    log.info("workers: %d, on %s", proxy.concurrency, "io_uring" if proxy.uses_io_uring else "epoll")
    if proxy.admin_address is None:
        return
    admin = name_of(proxy.admin_address)
    if options.admin_address_path:
        _write_admin_address(options.admin_address_path, admin, log)
    log.info("admin address: %s", admin)


def _write_admin_address(path: str, admin: str, log: logging.Logger) -> None:
    """Before it is logged: whoever reads the line finds the file."""
    try:
        with open(path, "w", encoding="ascii") as target:
            target.write(admin)
    except OSError as error:
        log.error("cannot write the admin address to %s: %s", path, error.strerror)


def _wait(proxy: Any, options: Options, signals: Signals, log: logging.Logger) -> None:
    """Answers signals until one of them, or an admin request, says stop; then drains."""
    while True:
        number = signals.wait()
        if number == signal.SIGHUP:
            _reload(proxy, options, log)
        elif number == signal.SIGUSR1:
            log.info("reopening logs")
            proxy.reopen_logs()
        else:
            break
    if number == WAKE:
        log.info("admin asked to quit")
        return
    log.info("caught %s: draining for at most %d s", signal.Signals(number).name, options.drain_time_s)
    _drain(proxy, options, signals, log)


def _drain(proxy: Any, options: Options, signals: Signals, log: logging.Logger) -> None:
    """Lets requests in flight end; a second SIGTERM or SIGINT ends the process without waiting for them."""
    done = threading.Event()

    def drain() -> None:
        try:
            if not proxy.drain(options.drain_time_s):
                log.warning("the drain time is over: what is still open is cut")
        except Exception:
            log.exception("draining failed")
        done.set()
        signals.wake()

    threading.Thread(target=drain, name="drain", daemon=True).start()
    while not done.is_set():
        number = signals.wait()
        if number in STOP:
            log.warning("caught %s again: exiting at once", signal.Signals(number).name)
            logging.shutdown()
            os._exit(128 + number)


def _reload(proxy: Any, options: Options, log: logging.Logger) -> None:
    """Applies the file as it is now; a file that cannot run changes nothing."""
    from mesh.config import ConfigError

    log.info("caught SIGHUP: reading %s again", options.config_path or "--config-yaml")
    try:
        proxy.apply(_load(options))
    except ConfigError as error:
        for problem in error.problems:
            log.error("%s", problem)
        log.error("the new configuration is refused; the old one stays")
    except Exception as error:
        log.error("the new configuration could not be applied: %s; the old one stays", error)
    else:
        log.info("configuration applied")
