"""Certificates that many tests share: one authority, and leaves for `a.test` of both kinds of keys."""

from __future__ import annotations

import pytest

from tests.tls import certificates
from tests.tls.certificates import Pair


@pytest.fixture(scope="session")
def root() -> Pair:
    return certificates.authority("root")


@pytest.fixture(scope="session")
def stranger() -> Pair:
    """An authority that nobody trusts."""
    return certificates.authority("stranger")


@pytest.fixture(scope="session")
def pair(root: Pair) -> Pair:
    return certificates.leaf(root, "dns:a.test")


@pytest.fixture(scope="session")
def rsa_pair(root: Pair) -> Pair:
    return certificates.leaf(root, "dns:a.test", kind="rsa")


@pytest.fixture(scope="session")
def client_pair(root: Pair) -> Pair:
    return certificates.leaf(root, "uri:spiffe://mesh.test/client", "dns:client.test", common="client")
