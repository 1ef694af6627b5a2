"""What several TLS contexts have in common: parts that are kept once, keys of tickets that outlive a configuration."""

from __future__ import annotations

import base64
import os
import ssl

import pytest

from mesh.testing import Upstream, running
from mesh.testing.bootstrap import bootstrap, cluster
from meshcore.bind import tls
from tests.tls import certificates
from tests.tls.certificates import Pair
from tests.tls.peers import ask, certificate, client_side, dialled, downstream, inline, secured, trusting, upstream

TICKET_KEY = 80


@pytest.mark.slow
def test_equal_parts_of_a_thousand_contexts_are_kept_once() -> None:
    root = certificates.authority("of its own")  # whose certificates no other test still holds
    pair = certificates.leaf(root, "dns:a.test")
    revoked = {"crl": inline(certificates.revoked(root, pair))}
    common = {"tls_certificates": [certificate(pair)], "validation_context": trusting(root, **revoked)}
    clusters = [cluster(f"c{i}", 1, transport_socket=upstream(common, sni=f"n{i}.test")) for i in range(1000)]
    before = tls.live()
    with running(bootstrap(clusters=[cluster("up", 1), *clusters])):
        now = tls.live()
    assert [more - less for more, less in zip(now, before, strict=True)] == [1, 1, 1000]


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tickets_are_taken_as_long_as_their_key_is_there(pair: Pair, version: str) -> None:
    first, second = os.urandom(TICKET_KEY), os.urandom(TICKET_KEY)
    client = client_side()
    client.minimum_version = client.maximum_version = ssl.TLSVersion[version]

    def resumed(port: int, session: ssl.SSLSession | None) -> tuple[bool | None, ssl.SSLSession | None]:
        with dialled(port, client, session=session) as wire:
            assert ask(wire).status == 200
            return wire.session_reused, wire.session

    with Upstream() as up:

        def keyed(*keys: bytes) -> dict[str, object]:
            inlined = [{"inline_bytes": base64.b64encode(key).decode()} for key in keys]
            fields = {"session_ticket_keys": {"keys": inlined}, "disable_stateful_session_resumption": True}
            return secured(downstream(pair, **fields), up.port)

        with running(keyed(first)) as proxy:
            _, old = resumed(proxy.port, None)
            assert resumed(proxy.port, old)[0]
            proxy.proxy.apply(keyed(second, first))
            taken, fresh = resumed(proxy.port, old)
            assert taken
            proxy.proxy.apply(keyed(second))
            assert not resumed(proxy.port, old)[0]
            assert resumed(proxy.port, fresh)[0]
