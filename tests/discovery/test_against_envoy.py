"""The same files replaced under Envoy and under mesh: the same answers and the same statistics after each.

One Envoy and one mesh serve all cases of cases.yaml; each case begins with the base files and moves its own over them. A file counts as
taken when the attempt of its subscription was counted and a verdict with it."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import mesh
from mesh.testing.upstream import Upstream
from mesh.testing.wire import Ended, Wire
from tests.peers.envoy import envoy_binary
from tests.peers.ports import PortReservation

CASES = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text())
ATTEMPTS = {
    "cds.yaml": "cluster_manager.cds.",
    "lds.yaml": "listener_manager.lds.",
    "rds.yaml": "http.in.rds.routes.",
    "eds.yaml": "cluster.dynamic.",
}
VERDICTS = ("update_success", "update_failure", "update_rejected")
COMPARED = (
    *VERDICTS, "update_attempt", "update_empty", "update_no_rebuild", "version", "version_text", "config_reload",
    "membership_change", "membership_total", "cluster_modified", "cluster_updated", "max_host_weight",
)  # fmt: skip
BOOTSTRAP = """
node: {id: node, cluster: c}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: $ADMIN}}}
dynamic_resources:
  cds_config: {path_config_source: {path: $DIR/cds.yaml}}
  lds_config: {path_config_source: {path: $DIR/lds.yaml}, initial_fetch_timeout: 1s}
static_resources:
  clusters: [{name: fixed, connect_timeout: 1s}]
"""
LIMIT_S = 10.0
pytestmark = pytest.mark.slow


def named(name: bytes) -> Any:
    def script(wire: Wire) -> None:
        try:
            while True:
                wire.read_request()
                wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(name), name))
        except Ended:
            pass

    return script


class Peer:
    """A running peer that reads its files from `folder`."""

    def __init__(self, folder: Path, values: dict[str, int]) -> None:
        folder.mkdir()
        self.folder = folder
        self.values = {**values, "DIR": folder}

    def filled(self, text: str) -> str:
        for name, value in self.values.items():
            text = text.replace(f"${name}", str(value))
        return text

    def put(self, name: str, text: str) -> None:
        """Moves a new file onto `name`."""
        fresh = self.folder / "fresh"
        fresh.write_text(self.filled(text))
        os.rename(fresh, self.folder / name)

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.values['ADMIN']}/stats?format=json", timeout=LIMIT_S) as page:
            return {one["name"]: one["value"] for one in json.load(page)["stats"] if "name" in one}

    def replace(self, name: str, text: str) -> None:
        """Moves a file and waits for what becomes of it."""
        before = self.stats()
        self.put(name, text)
        prefix = ATTEMPTS[name]
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            now = self.stats()
            if any(now.get(prefix + verdict, 0) > before.get(prefix + verdict, 0) for verdict in VERDICTS):
                return
            time.sleep(0.002)       # another process: nothing here to await
        raise AssertionError(f"{self.folder.name}: nothing became of {name}")

    def ask(self, port: str) -> tuple[Any, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.values[port]}/", timeout=LIMIT_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except urllib.error.URLError as error:
            return type(error.reason).__name__, ""

    def seen(self, since: dict[str, Any]) -> dict[str, Any]:
        """The answers, and the statistics of all subscriptions; counters as what came on top of `since`."""
        found: dict[str, Any] = {"LISTEN": self.ask("LISTEN"), "OTHER": self.ask("OTHER")}
        for name, value in self.stats().items():
            prefix, _, last = name.rpartition(".")
            if last in COMPARED and prefix.startswith(("cluster", "listener_manager.lds", "http.in.rds")):
                found[name] = value if last.startswith("version") else value - since.get(name, 0)
        return found


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Peer, Peer]]:
    root = tmp_path_factory.mktemp("xds")
    with Upstream(named(b"one")) as one, Upstream(named(b"two")) as two, PortReservation() as ports:
        upstreams = {"ONE": one.port, "TWO": two.port}
        made = []
        for name in ("envoy", "mesh"):
            peer = Peer(root / name, {**upstreams, "LISTEN": ports.reserve(), "OTHER": ports.reserve(), "ADMIN": ports.pick()})
            for file, text in CASES["base"].items():
                peer.put(file, text)
            (peer.folder / "bootstrap.yaml").write_text(peer.filled(BOOTSTRAP))
            made.append(peer)
        envoy, ours = made
        log = (root / "envoy.log").open("w")
        config = str(envoy.folder / "bootstrap.yaml")
        command = [envoy_binary(), "-c", config, "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            with mesh.Proxy(ours.folder / "bootstrap.yaml", concurrency=1):
                await_serving(envoy)
                await_serving(ours)
                yield envoy, ours
        finally:
            process.kill()
            process.wait()
            log.close()


def await_serving(peer: Peer) -> None:
    end = time.monotonic() + LIMIT_S
    while peer.ask("LISTEN") != (200, "one"):
        assert time.monotonic() < end, f"{peer.folder.name} does not serve"
        time.sleep(0.02)


@pytest.mark.parametrize("name", CASES["cases"])
def test_both_do_the_same(peers: tuple[Peer, Peer], name: str) -> None:
    for peer in peers:
        for file, text in CASES["base"].items():
            if (peer.folder / file).read_text() != peer.filled(text):
                peer.replace(file, text)
        await_serving(peer)
    since = [peer.stats() for peer in peers]
    ignored = "nothing"
    for step in CASES["cases"][name]:
        ignored = step.pop("except", ignored)
        for file, text in step.items():
            for peer in peers:
                peer.replace(file, text)
            seen = [peer.seen(before) for peer, before in zip(peers, since, strict=True)]
            of_envoy, of_mesh = ({key: value for key, value in one.items() if not key.startswith(ignored)} for one in seen)
            assert of_mesh == of_envoy
