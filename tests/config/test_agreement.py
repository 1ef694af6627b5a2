"""Envoy's `--mode validate` and `mesh.config.load` accept and refuse the same bootstraps.

The cases are data (agreement.yaml); Envoy is the real binary, started once per case, a few at a time. A case with
`unlike` is one that mesh refuses on purpose, with the reason beside it."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from mesh.config import ConfigError, load
from tests.config.boot import bootstrap
from tests.peers.envoy import envoy_binary

CASES = yaml.safe_load((Path(__file__).parent / "agreement.yaml").read_text())
VALIDATE_S = 30
AT_ONCE = 2


def _tree(patches: dict) -> dict:
    return bootstrap(**{part: patch for part, patch in patches.items() if part != "unlike"})


def _ours(tree: dict) -> tuple[bool, str]:
    try:
        load(tree)
    except ConfigError as error:
        return False, str(error)
    return True, ""


@pytest.fixture(scope="session")
def envoy_verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[bool, str]]:
    """What Envoy says of every case."""
    folder = tmp_path_factory.mktemp("agreement")

    def ask(case: tuple[str, str]) -> tuple[bool, str]:
        kind, name = case
        path = folder / f"{kind}_{name}.json"
        path.write_text(json.dumps(_tree(CASES[kind][name])))
        command = [envoy_binary(), "--mode", "validate", "-c", str(path), "-l", "error"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=VALIDATE_S)
        return done.returncode == 0, (done.stdout + done.stderr)[-600:]

    cases = [(kind, name) for kind in ("good", "bad") for name in CASES[kind]]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(cases, pool.map(ask, cases), strict=True))


@pytest.mark.parametrize("name", sorted(CASES["good"]))
def test_accepts_what_can_run(name: str) -> None:
    patches = CASES["good"][name]
    accepted, text = _ours(_tree(patches))
    assert accepted is ("unlike" not in patches), text


@pytest.mark.parametrize("name", sorted(CASES["bad"]))
def test_refuses_what_cannot_run_and_says_where(name: str) -> None:
    accepted, text = _ours(_tree(CASES["bad"][name]))
    assert not accepted
    assert "static_resources" in text or "admin" in text or "node" in text or "stats_flush" in text, text


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in ("good", "bad") for name in sorted(CASES[kind])])
def test_envoy_says_the_same(kind: str, name: str, envoy_verdicts: dict[tuple[str, str], tuple[bool, str]]) -> None:
    accepted, text = envoy_verdicts[kind, name]
    assert accepted is (kind == "good"), text


def test_there_are_enough_cases_of_both_kinds() -> None:
    assert len(CASES["good"]) >= 25
    assert len(CASES["bad"]) >= 40
