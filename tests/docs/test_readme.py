"""Every snippet of the README runs as it stands there, with the files it names beside it.

Python blocks run in an interpreter of their own, YAML blocks are brought up with their ports replaced by free ones, console lines
name commands and targets that exist. Nothing of the README is repeated here. Loopback only; every child is awaited with a limit.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import mesh
from tests.docs.papers import ROOT, Block, blocks, commands

README = ROOT / "README.md"
BLOCKS = blocks(README)
LIMIT_S = 60


def named(language: str, *, files: bool | None = None) -> list[Block]:
    return [block for block in BLOCKS if block.language == language and files in (None, block.file is not None)]


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's files in it, and on the import path."""
    for block in BLOCKS:
        if block.file:
            (tmp_path / block.file).write_text(block.text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    path = [str(folder), str(ROOT / "src"), str(ROOT / "python")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def on_free_ports(text: str) -> str:
    """The same configuration with every address that is listened on moved to a free port."""
    return re.sub(r"^((?:listen|admin): 127\.0\.0\.1):\d+$", r"\1:0", text, flags=re.MULTILINE)


def test_the_readme_shows_every_kind_of_snippet() -> None:
    assert named("python", files=False) and named("python", files=True) and len(named("yaml", files=True)) >= 2
    assert not named("yaml", files=False), "a YAML block without a name is not tried by anybody"


@pytest.mark.slow
@pytest.mark.parametrize("block", named("python", files=False), ids=lambda block: f"line {block.line}")
def test_a_python_snippet_runs(block: Block, beside: Path) -> None:
    command = [sys.executable, "-X", "faulthandler", "-c", block.text]
    done = subprocess.run(command, cwd=beside, env=environment(beside), capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("block", named("yaml"), ids=lambda block: block.file)
def test_a_configuration_serves(block: Block, beside: Path) -> None:
    path = beside / "moved.yaml"
    path.write_text(on_free_ports(block.text))
    with mesh.Proxy(path, concurrency=1) as proxy:
        address = proxy.listeners["main"]
        assert address.port > 0
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://{address.host}:{address.port}/nowhere", timeout=LIMIT_S)
        # The short form routes it to an upstream that is not there, the filter has no key: each refuses in its own way.
        assert refused.value.code in (401, 503)
    assert proxy.live_objects() == 0


@pytest.mark.slow
def test_the_filter_does_what_its_text_says(beside: Path) -> None:
    path = beside / "moved.yaml"
    path.write_text(on_free_ports((beside / "gated.yaml").read_text()))
    with mesh.Proxy(path, concurrency=1) as proxy:
        address = proxy.listeners["main"]
        request = urllib.request.Request(f"http://{address.host}:{address.port}/", headers={"x-api-key": "sesame"})
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            assert answer.read() == b"welcome\n"
            assert answer.headers["x-gate"] == "passed"


MESH = [command for command in commands(README) if command[:3] == ["python", "-m", "mesh"]]


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in MESH if c[3] != "serve"], ids=" ".join)
def test_a_mesh_command_of_the_readme_ends_well(command: list[str], beside: Path) -> None:
    done = subprocess.run(
        [sys.executable, *command[1:]], cwd=beside, env=environment(beside), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in MESH if c[3] == "serve"], ids=" ".join)
def test_a_serve_command_of_the_readme_is_accepted(command: list[str], beside: Path) -> None:
    done = subprocess.run(
        [sys.executable, *command[1:], "--mode", "validate"],
        cwd=beside, env=environment(beside), capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_command_of_the_readme_is_known() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in commands(README):
        assert command in MESH or (command[0] == "make" and command[1] in targets), command
