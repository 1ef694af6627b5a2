"""Secrets that change while they are used: by file, by the files that they name, by hand. New connections see the new one, old ones live
on."""

from __future__ import annotations

import datetime
import json
import os
import ssl
from pathlib import Path
from typing import Any

import pytest

from mesh import ConfigError
from mesh.testing import Upstream, running
from mesh.testing.bootstrap import bootstrap, cluster
from mesh.testing.running import until
from tests.tls import certificates
from tests.tls.certificates import Pair
from tests.tls.peers import (
    TLS,
    Secret,
    ask,
    certificate,
    client_side,
    dialled,
    downstream,
    inline,
    secured,
    server_side,
    trusting,
    upstream,
)


def moved_onto(path: Path, text: str | bytes) -> None:
    """Replaces a file the way that is watched."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(text.encode() if isinstance(text, str) else text)
    os.replace(fresh, path)


def response(name: str, **content: Any) -> str:
    return json.dumps({"version_info": "1", "resources": [{"@type": TLS + "Secret", "name": name, **content}]})


def from_file(name: str, path: Path) -> dict[str, Any]:
    return {"name": name, "sds_config": {"path_config_source": {"path": str(path)}}}


def by_secret(*references: dict[str, Any], **common: Any) -> dict[str, Any]:
    return downstream(common={"tls_certificates": [], "tls_certificate_sds_secret_configs": list(references), **common})


def shown(port: int) -> bytes:
    with dialled(port, client_side()) as wire:
        return wire.getpeercert(binary_form=True) or b""


@pytest.fixture
def other(root: Pair) -> Pair:
    return certificates.leaf(root, "dns:a.test", common="other")


def test_a_secret_of_the_configuration_is_shown_and_can_be_swapped(pair: Pair, other: Pair) -> None:
    with Upstream() as up:
        made = secured(by_secret({"name": "mine"}), up.port)
        made["static_resources"]["secrets"] = [{"name": "mine", "tls_certificate": certificate(pair)}]
        with running(made) as proxy:
            with dialled(proxy.port, client_side()) as old:
                assert old.getpeercert(binary_form=True) == pair.der
                proxy.proxy.set_secret({"name": "mine", "tls_certificate": certificate(other)})
                assert shown(proxy.port) == other.der
                assert ask(old).status == 200
            with pytest.raises(KeyError):
                proxy.proxy.set_secret({"name": "another", "tls_certificate": certificate(other)})
            with pytest.raises(ConfigError):
                proxy.proxy.set_secret({"name": "mine", "tls_certificate": certificate(other) | {"private_key": inline(pair.key_pem)}})
            assert shown(proxy.port) == other.der


def test_a_configuration_with_another_secret_of_the_name_shows_it(pair: Pair, other: Pair) -> None:
    with Upstream() as up:
        made = secured(by_secret({"name": "mine"}), up.port)
        made["static_resources"]["secrets"] = [{"name": "mine", "tls_certificate": certificate(pair)}]
        with running(made) as proxy:
            made["static_resources"]["secrets"] = [{"name": "mine", "tls_certificate": certificate(other)}]
            proxy.proxy.apply(made)
            assert shown(proxy.port) == other.der


def test_a_secret_that_nobody_has_is_refused(pair: Pair) -> None:
    made = secured(by_secret({"name": "mind"}), 1)
    made["static_resources"]["secrets"] = [{"name": "mine", "tls_certificate": certificate(pair)}]
    with pytest.raises(ConfigError, match="did you mean 'mine'"), running(made):
        pass


@pytest.mark.slow
def test_a_file_that_is_replaced_is_taken_over_and_a_bad_one_is_not(pair: Pair, other: Pair, tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    moved_onto(path, response("mine", tls_certificate=certificate(pair)))
    with Upstream() as up, running(secured(by_secret(from_file("mine", path)), up.port)) as proxy:
        assert shown(proxy.port) == pair.der
        moved_onto(path, response("mine", tls_certificate=certificate(other)))
        proxy.wait_stat("sds.mine.update_success", 2)
        assert shown(proxy.port) == other.der
        prefix = f"listener.127.0.0.1_{proxy.port}.server_ssl_socket_factory."
        assert proxy.proxy.stats[prefix + "ssl_context_update_by_sds"] >= 1
        moved_onto(path, response("mine", tls_certificate={**certificate(pair), "private_key": inline(other.key_pem)}))
        proxy.wait_stat("sds.mine.update_rejected", 1)
        moved_onto(path, response("yours", tls_certificate=certificate(pair)))
        proxy.wait_stat("sds.mine.update_rejected", 2)
        assert shown(proxy.port) == other.der


@pytest.mark.slow
@pytest.mark.parametrize("watched", [True, False])
def test_files_that_a_secret_names_are_watched(pair: Pair, other: Pair, tmp_path: Path, watched: bool) -> None:
    path, chain, key = tmp_path / "secret.json", tmp_path / "chain", tmp_path / "key"
    directory = tmp_path / "switch"
    directory.mkdir()
    chain.write_bytes(pair.pem)
    key.write_bytes(pair.key_pem)
    named: dict[str, Any] = {"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(key)}}
    if watched:
        named["watched_directory"] = {"path": str(directory)}
    moved_onto(path, response("mine", tls_certificate=named))
    with Upstream() as up, running(secured(by_secret(from_file("mine", path)), up.port)) as proxy:
        assert shown(proxy.port) == pair.der
        moved_onto(chain, other.pem)
        if watched:
            moved_onto(directory / "now", "")
        proxy.wait_stat("sds.mine.key_rotation_failed", 1)
        assert shown(proxy.port) == pair.der
        moved_onto(key, other.key_pem)
        if watched:
            moved_onto(directory / "now", "")
        until(lambda: shown(proxy.port) == other.der)


@pytest.mark.slow
def test_a_certificate_whose_directory_is_watched_needs_no_secret(pair: Pair, other: Pair, tmp_path: Path) -> None:
    both = tmp_path / "both"
    both.write_bytes(pair.pem + pair.key_pem)
    named = {"filename": str(both)}
    mine = {"certificate_chain": named, "private_key": named, "watched_directory": {"path": str(tmp_path)}}
    with Upstream() as up, running(secured(downstream(common={"tls_certificates": [mine]}), up.port)) as proxy:
        assert shown(proxy.port) == pair.der
        moved_onto(both, other.pem + other.key_pem)
        until(lambda: shown(proxy.port) == other.der)


@pytest.mark.slow
@pytest.mark.parametrize("combined", [False, True])
def test_authorities_come_from_a_secret(root: Pair, stranger: Pair, pair: Pair, tmp_path: Path, combined: bool) -> None:
    path = tmp_path / "secret.json"
    moved_onto(path, response("ca", validation_context=trusting(stranger)))
    reference = from_file("ca", path)
    san = {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "a.test"}}]}
    context: dict[str, Any] = {"validation_context_sds_secret_config": reference}
    if combined:
        context = {"combined_validation_context": {"default_validation_context": san, **context}}
    with (
        Upstream(Secret(server_side(pair))) as up,
        running(bootstrap(clusters=[cluster("up", up.port, transport_socket=upstream(context))])) as proxy,
    ):
        assert proxy.get().status == 503
        moved_onto(path, response("ca", validation_context=trusting(root)))
        proxy.wait_stat("sds.ca.update_success", 2)
        assert proxy.get().status == 200
        assert proxy.proxy.stats["cluster.up.client_ssl_socket_factory.ssl_context_update_by_sds"] == 2


@pytest.mark.slow
def test_a_secret_that_has_not_come_lets_nobody_through(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    moved_onto(path, response("ca", tls_certificate={}))
    context = {"validation_context_sds_secret_config": from_file("ca", path)}
    with (
        Upstream(Secret(server_side(pair))) as up,
        running(bootstrap(clusters=[cluster("up", up.port, transport_socket=upstream(context))])) as proxy,
    ):
        assert proxy.get().status == 503
        assert not up.requests
        assert proxy.up("client_ssl_socket_factory.upstream_context_secrets_not_ready") == 1


@pytest.mark.slow
def test_a_listener_lets_nobody_through_before_its_secret_comes(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    moved_onto(path, response("another", tls_certificate=certificate(pair)))
    with Upstream() as up, running(secured(by_secret(from_file("mine", path)), up.port)) as proxy:
        with pytest.raises((ConnectionError, ssl.SSLError)), dialled(proxy.port, client_side()):
            pass
        prefix = f"listener.127.0.0.1_{proxy.port}.server_ssl_socket_factory."
        assert proxy.stat(prefix + "downstream_context_secrets_not_ready") == 1
        moved_onto(path, response("mine", tls_certificate=certificate(pair)))
        proxy.wait_stat("sds.mine.update_success", 1)
        assert shown(proxy.port) == pair.der
        assert proxy.stat(prefix + "downstream_context_secrets_not_ready") == 1


@pytest.mark.slow
def test_health_checks_use_the_secret_of_now(root: Pair, stranger: Pair, pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    moved_onto(path, response("ca", validation_context=trusting(stranger)))
    check = {"timeout": "10s", "interval": "0.05s", "no_traffic_interval": "0.05s", "unhealthy_threshold": 1, "healthy_threshold": 1,
             "http_health_check": {"path": "/hc"}}  # fmt: skip
    socket = upstream({"validation_context_sds_secret_config": from_file("ca", path)})
    lb = {"healthy_panic_threshold": {"value": 0}}
    made = cluster("up", 1, transport_socket=socket, health_checks=[check], common_lb_config=lb)
    with Upstream(Secret(server_side(pair))) as up:
        made["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"] = up.port
        with running(bootstrap(clusters=[made])) as proxy:
            proxy.wait_stat("cluster.up.health_check.network_failure", 1)
            assert proxy.get().status == 503
            moved_onto(path, response("ca", validation_context=trusting(root)))
            proxy.wait_stat("cluster.up.health_check.success", 1)
            until(lambda: proxy.get().status == 200)


def test_the_first_certificate_to_end_is_told_in_days(root: Pair) -> None:
    def days(*ends: int) -> list[Pair]:
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        return [certificates.leaf(root, f"dns:{n}.test", end=now + datetime.timedelta(days=n, hours=12)) for n in ends]

    with Upstream() as up, running(secured(downstream(*days(40, 30)), up.port)) as proxy:
        proxy.proxy.refresh_server_stats()
        assert proxy.stat("server.days_until_first_cert_expiring") == 30
        proxy.proxy.apply(secured(downstream(*days(40)), up.port))
        proxy.proxy.refresh_server_stats()
        assert proxy.stat("server.days_until_first_cert_expiring") == 40

