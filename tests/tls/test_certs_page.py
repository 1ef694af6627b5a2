"""/certs, beside what Envoy says of the same configuration."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mesh.testing import Upstream
from mesh.testing.bootstrap import cluster
from tests.peers.envoy import envoy_peer
from tests.peers.mesh import mesh_peer
from tests.peers.ports import PortReservation
from tests.tls.certificates import Pair
from tests.tls.peers import certificate, downstream, secured, trusting, upstream


async def asked(start: Any, made: dict[str, Any], directory: Path) -> Any:
    directory.mkdir()
    with PortReservation() as reservation:
        admin = reservation.pick()
    made["admin"] = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}}
    (directory / "bootstrap.json").write_text(json.dumps(made))
    peer = start(directory / "bootstrap.json", directory, admin)
    await peer.start()
    try:
        return json.loads((await peer.admin("/certs")).body)
    finally:
        await peer.stop()


@pytest.mark.slow
def test_certificates_are_listed_as_envoy_lists_them(root: Pair, pair: Pair, rsa_pair: Pair, client_pair: Pair, tmp_path: Path) -> None:
    with Upstream() as up:
        towards = upstream({"tls_certificates": [certificate(client_pair)], "validation_context": trusting(root)})
        made = secured(
            downstream(pair, rsa_pair, common={"validation_context": trusting(root)}),
            clusters=[cluster("up", up.port, transport_socket=towards), cluster("again", up.port, transport_socket=towards)],
        )
        reference = asyncio.run(asked(envoy_peer, made, tmp_path / "envoy"))
        ours = asyncio.run(asked(mesh_peer, made, tmp_path / "mesh"))
    # Envoy lists its contexts in no order of the configuration.
    seen, wanted = (sorted(json.dumps(one, sort_keys=True) for one in page["certificates"]) for page in (ours, reference))
    assert seen == wanted
    assert len(ours["certificates"]) == 3
