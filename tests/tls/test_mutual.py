"""Client certificates: who needs one, and which will do."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from mesh.testing import Upstream, running
from mesh.testing.wire import Ended
from tests.tls import certificates
from tests.tls.certificates import Pair
from tests.tls.peers import ask, client_side, dialled, downstream, secured, trusting


def mutual(pair: Pair, root: Pair, **fields: Any) -> dict[str, Any]:
    return downstream(pair, common={"validation_context": trusting(root)}, **fields)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_a_client_that_cannot_be_verified_is_refused(root: Pair, stranger: Pair, pair: Pair, version: str, who: str) -> None:
    shown = certificates.leaf(stranger, "dns:client.test") if who == "stranger" else None
    context = client_side(root, pair=shown)
    context.maximum_version = context.minimum_version = ssl.TLSVersion[version]
    with Upstream() as up, running(secured(mutual(pair, root, require_client_certificate=True), up.port)) as proxy:
        with pytest.raises((OSError, Ended)), dialled(proxy.port, context) as wire:
            ask(wire)
        proxy.quiet()
        stat = "fail_verify_no_cert" if who == "nobody" else "fail_verify_error"
        assert proxy.stat(f"listener.127.0.0.1_{proxy.port}.ssl.{stat}") == 1
        assert proxy.stat(f"listener.127.0.0.1_{proxy.port}.ssl.connection_error") == 0


def test_a_certificate_is_optional_unless_it_is_required(root: Pair, pair: Pair) -> None:
    with Upstream() as up, running(secured(mutual(pair, root), up.port)) as proxy, dialled(proxy.port, client_side(root)) as wire:
        assert ask(wire).status == 200
