"""Session keys are written for the connections that the configuration names, in the format that packet analysers read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.testing import Upstream, running
from tests.tls.certificates import Pair
from tests.tls.peers import ask, client_side, dialled, downstream, secured


@pytest.mark.parametrize(("network", "written"), [(None, True), ("127.0.0.0/8", True), ("10.0.0.0/8", False), ("127.0.0.0/29", True)])
def test_keys_are_written_for_the_networks_that_are_named(pair: Pair, tmp_path: Path, network: str | None, written: bool) -> None:
    path = tmp_path / "keys"
    log = {"path": str(path)}
    if network is not None:
        prefix, _, bits = network.partition("/")
        log |= {"remote_address_range": [{"address_prefix": prefix, "prefix_len": int(bits)}]}  # type: ignore[dict-item]
    with Upstream() as up, running(secured(downstream(pair, common={"key_log": log}), up.port)) as proxy:
        with dialled(proxy.port, client_side()) as wire:
            ask(wire)
        proxy.quiet()
    labels = {line.split(" ")[0] for line in path.read_text().splitlines()}
    assert labels == (
        {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0",
         "EXPORTER_SECRET"} if written else set()
    )  # fmt: skip
    assert path.stat().st_mode & 0o077 == 0
