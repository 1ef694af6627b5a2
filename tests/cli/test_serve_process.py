"""`python -m mesh serve` as a process: it answers, reloads, keeps what runs when a reload is bad, and ends with 0.

Everything is awaited by a line of the process log or an answer; ports are free ones that the log names.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 20

pytestmark = pytest.mark.slow


def config(body: str, listen: str = "127.0.0.1:0") -> str:
    return f"listen: {listen}\nroutes: {{match: /, reply: {{body: {body}}}}}\nadmin: 127.0.0.1:0\n"


class Serving:
    """A running `serve` and its log, line by line."""

    def __init__(self, file: Path, *options: str) -> None:
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "python")])
        command = [sys.executable, "-m", "mesh", "serve", "-c", str(file), "--concurrency", "1", *options]
        environment = {**os.environ, "PYTHONPATH": path}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self._timer = threading.Timer(WAIT_S, self.process.kill)
        self._timer.start()
        self.seen: list[str] = []

    def line(self, pattern: str) -> re.Match[str]:
        """The next line of the log that matches; the process is killed when none comes in time."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.seen.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"no line matches {pattern!r}:\n{''.join(self.seen)}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        _, rest = self.process.communicate(timeout=WAIT_S)
        self.seen.append(rest)
        return self.process.returncode

    def close(self) -> None:
        self._timer.cancel()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mesh.yaml"
    path.write_text(config("one"))
    return path


@pytest.fixture
def serving(file: Path, tmp_path: Path) -> Iterator[Serving]:
    found = Serving(file, "--drain-time-s", "5", "--admin-address-path", str(tmp_path / "admin"))
    yield found
    found.close()


def get(address: str, path: str = "/") -> str:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=WAIT_S) as response:
        return str(response.read().decode())


def test_a_service_lives_through_good_and_bad_reloads_and_ends_with_zero(
    serving: Serving, file: Path, tmp_path: Path
) -> None:
    address = serving.line(r"listener 'main' on (\S+)")[1]
    admin = serving.line(r"admin address: (\S+)")[1]
    assert (tmp_path / "admin").read_text() == admin
    assert get(address) == "one"

    file.write_text(config("two"))
    serving.signal(signal.SIGHUP)
    serving.line("configuration applied")
    assert get(address) == "two"

    file.write_text(config("three").replace("listen", "lisen"))
    serving.signal(signal.SIGHUP)
    serving.line(rf"{file}:1: lisen: no such key; did you mean 'listen'\?")
    serving.line("the new configuration is refused; the old one stays")
    assert get(address) == "two"

    serving.signal(signal.SIGUSR1)
    serving.line("reopening logs")
    assert get(address) == "two"

    serving.signal(signal.SIGTERM)
    assert serving.ended() == 0
    assert "Traceback" not in "".join(serving.seen)


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        path = tmp_path / "mesh.yaml"
        path.write_text(config("x", taken))
        found = Serving(path)
        try:
            assert found.ended() == 1
        finally:
            found.close()
    [line] = [line for line in "".join(found.seen).splitlines() if line.startswith("error:")]
    assert "in use" in line
    assert "Traceback" not in "".join(found.seen)
