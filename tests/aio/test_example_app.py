"""The aiohttp example: as a process, the way its first lines say it is run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.filters.wire import ask

ROOT = Path(__file__).parents[2]
APP = ROOT / "examples" / "aiohttp_app" / "app.py"


@pytest.fixture
def port() -> Iterator[int]:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "python")])
    with subprocess.Popen(
        [sys.executable, str(APP), "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:"), line
            yield int(line.rpartition(":")[2])
        finally:
            process.stdin.close()
            ended = process.wait(10)
    assert ended == 0


@pytest.mark.slow
def test_the_app_its_proxy_and_their_shared_tickets(port: int) -> None:
    refused = ask(port, "/api/hello")
    assert (refused.status, refused.text) == (401, "log in first: POST /app/login/NAME\n")
    ticket = ask(port, "/app/login/ada", body=b"{}").text
    mine = ("x-ticket", ticket)
    assert ask(port, "/app/hello", mine).text == "hello ada, from the app\n"
    texts = {ask(port, "/api/hello", mine).text for _ in range(8)}
    assert texts == {"hello ada, from one\n", "hello ada, from two\n"}
    assert ask(port, "/elsewhere", mine).status == 404
