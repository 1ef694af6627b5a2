"""Interception as it is deployed: REDIRECT and TPROXY by iptables, hand-over to listeners that are not bound, hosts that see the client.

Each test runs in_namespace.py in a network namespace that it makes; where that is not allowed, these tests are skipped and say so.
What they cover of the engine is covered without the kernel's help as far as that goes in test_listener_filters.py and test_sockets.py."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.listener.in_namespace import SCENARIOS

LIMIT_S = 100.0
TRY = "ip link set lo up && iptables -t nat -L -n && iptables -t mangle -L -n"


def namespace() -> list[str]:
    """The command that runs another one in a network namespace; empty: that is impossible here."""
    if not all(map(shutil.which, ("unshare", "iptables", "ip"))):
        return []
    for options in ("-n", "-rn"):
        done = subprocess.run(["unshare", options, "sh", "-c", TRY], capture_output=True, timeout=LIMIT_S, check=False)
        if done.returncode == 0:
            return ["unshare", options]
    return []


INSIDE = namespace()


@pytest.mark.slow
@pytest.mark.skipif(not INSIDE, reason="NO INTERCEPTION TESTS: this machine allows no network namespace, or has no iptables and iproute2")
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_kernel_brings_connections_and_they_go_where_they_were_meant_to(name: str) -> None:
    command = [*INSIDE, sys.executable, "-m", "tests.listener.in_namespace", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
