"""What `serve` does with signals and reloads, on a proxy that only remembers; signals are real and come to this
process."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh.cli import process_log, serve
from mesh.config import Loaded
from meshcore.bind.spec import Address
from tests.config.boot import bootstrap

WAIT_S = 10
ROOT = Path(__file__).resolve().parents[2]


class FakeProxy:
    """Remembers what it is told; each call to one of `script` runs the function of that name with the proxy."""

    def __init__(self, source: Any, script: dict[str, Callable[[FakeProxy], None]], **options: Any) -> None:
        self.source = source
        self.given = options
        self.calls: list[str] = []
        self.applied: list[Loaded] = []
        self.listeners = {"main": Address("127.0.0.1", 10000)}
        self.admin_address = Address("127.0.0.1", 9901)
        self.concurrency, self.uses_io_uring = 2, True
        self.drained_s: float | None = None
        self.in_time = True
        self._script = script

    def _did(self, name: str) -> None:
        self.calls.append(name)
        if name in self._script:
            self._script[name](self)

    def start(self) -> None:
        self._did("start")

    def apply(self, source: Loaded) -> None:
        self.applied.append(source)
        self._did("apply")

    def drain(self, timeout: float) -> bool:
        self.drained_s = timeout
        self._did("drain")
        return self.in_time

    def reopen_logs(self) -> None:
        self._did("reopen_logs")

    def stop(self) -> None:
        self._did("stop")


def send(number: signal.Signals) -> Callable[[FakeProxy], None]:
    return lambda proxy: os.kill(os.getpid(), number)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "envoy.json"
    path.write_text(json.dumps(bootstrap()))
    return path


@pytest.fixture
def serving(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., tuple[int, FakeProxy]]]:
    """Runs `serve` with a script for the proxy: (exit code, proxy)."""
    made: list[FakeProxy] = []

    def run(script: dict[str, Callable[[FakeProxy], None]], **options: Any) -> tuple[int, FakeProxy]:
        def make(source: Any, **settings: Any) -> FakeProxy:
            made.append(FakeProxy(source, script, **settings))
            return made[-1]

        module = types.ModuleType("mesh.proxy")
        module.Proxy = make  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "mesh.proxy", module)
        values: dict[str, Any] = {
            "config_path": str(config), "config_yaml": None, "concurrency": None, "log_level": "info", "node": {},
            "admin_address_path": None, "drain_time_s": 7, "drain_strategy": "immediate", "io_uring": False, **options,
        }  # fmt: skip
        return serve.run(serve.Options(**values)), made[-1]

    root = logging.getLogger(process_log.ROOT)
    before = (list(root.handlers), root.level, root.propagate)
    yield run
    root.handlers[:], root.level, root.propagate = before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_stop_drains_and_ends_with_zero(
    number: signal.Signals, serving: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    code, proxy = serving({"start": send(number)})
    assert code == 0
    assert proxy.calls == ["start", "drain", "stop"]
    assert proxy.drained_s == 7
    assert f"caught {number.name}: draining for at most 7 s" in capsys.readouterr().err


def test_the_proxy_gets_what_the_command_line_says(
    serving: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = tmp_path / "admin"
    node = {"id": "n", "cluster": "c", "zone": "z"}
    _, proxy = serving({"start": send(signal.SIGTERM)}, concurrency=3, node=node, admin_address_path=str(address))
    assert proxy.source.plan.node == {"id": "n", "cluster": "c", "locality": {"zone": "z"}}
    assert (proxy.given["concurrency"], proxy.given["log_level"], proxy.given["drain_time_s"]) == (3, "info", 7)
    assert (proxy.given["drain_strategy"], proxy.given["io_uring"]) == ("immediate", False)
    assert address.read_text() == "127.0.0.1:9901"
    err = capsys.readouterr().err
    assert "[info][main] listener 'main' on 127.0.0.1:10000\n" in err and "admin address: 127.0.0.1:9901\n" in err


def test_what_outlives_the_drain_time_is_said(serving: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    def hurry(proxy: FakeProxy) -> None:
        proxy.in_time = False
        os.kill(os.getpid(), signal.SIGTERM)

    code, proxy = serving({"start": hurry})
    assert code == 0 and proxy.calls == ["start", "drain", "stop"]
    assert "[warning][main] the drain time is over: what is still open is cut" in capsys.readouterr().err


def test_sighup_applies_the_file_as_it_is_now(serving: Callable[..., Any], config: Path) -> None:
    def change(proxy: FakeProxy) -> None:
        config.write_text(json.dumps(bootstrap(bootstrap={"node": {"id": "second"}})))
        os.kill(os.getpid(), signal.SIGHUP)

    code, proxy = serving({"start": change, "apply": send(signal.SIGTERM)})
    assert code == 0
    assert proxy.calls == ["start", "apply", "drain", "stop"]
    assert proxy.applied[0].plan.node == {"id": "second"}


def test_sighup_with_a_bad_file_keeps_the_old_one_and_says_why(
    serving: Callable[..., Any], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoil(proxy: FakeProxy) -> None:
        config.write_text('{"nod": {}}')
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)

    code, proxy = serving({"start": spoil})
    assert code == 0
    assert proxy.calls == ["start", "drain", "stop"]
    err = capsys.readouterr().err
    assert f"[error][main] {config}:1: nod: no such field of Bootstrap; did you mean 'node'?" in err
    assert "the new configuration is refused; the old one stays" in err


def test_a_configuration_that_cannot_be_applied_does_not_end_the_service(
    serving: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(proxy: FakeProxy) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise OSError("address already in use")

    code, proxy = serving({"start": send(signal.SIGHUP), "apply": fail})
    assert code == 0 and proxy.calls == ["start", "apply", "drain", "stop"]
    assert "could not be applied: address already in use; the old one stays" in capsys.readouterr().err


def test_sigusr1_reopens_the_logs(serving: Callable[..., Any]) -> None:
    code, proxy = serving({"start": send(signal.SIGUSR1), "reopen_logs": send(signal.SIGTERM)})
    assert code == 0 and proxy.calls == ["start", "reopen_logs", "drain", "stop"]


def test_an_admin_request_to_quit_ends_at_once(serving: Callable[..., Any]) -> None:
    code, proxy = serving({"start": lambda proxy: threading.Thread(target=proxy.given["on_quit"]).start()})
    assert code == 0 and proxy.calls == ["start", "stop"]


def test_a_port_that_is_taken_is_one_line(serving: Callable[..., Any]) -> None:
    def taken(proxy: FakeProxy) -> None:
        raise OSError(98, "Address already in use: 127.0.0.1:80")

    with pytest.raises(Exception, match="Address already in use"):
        serving({"start": taken})


SECOND_SIGNAL = """
import os, signal, sys, threading, types
module = types.ModuleType("mesh.proxy")

class Proxy:
    listeners, admin_address = {}, None
    concurrency, uses_io_uring = 1, False
    def __init__(self, source, **options): pass
    def start(self): os.kill(os.getpid(), signal.SIGTERM)
    def drain(self, timeout):
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait()
    def stop(self): raise SystemExit("stop is not for a second signal")

module.Proxy = Proxy
sys.modules["mesh.proxy"] = module
from mesh.cli import main
main(["serve", "-c", sys.argv[1]])
"""


@pytest.mark.slow
def test_a_second_signal_ends_at_once_even_when_draining_hangs(config: Path) -> None:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "python")])
    done = subprocess.run(
        [sys.executable, "-c", SECOND_SIGNAL, str(config)],
        capture_output=True, text=True, timeout=WAIT_S, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 128 + signal.SIGINT
    assert "caught SIGINT again: exiting at once" in done.stderr
    assert "Traceback" not in done.stderr
