"""Names become hosts: the logic with a virtual clock, then the thread with a resolver that the test holds in its
hand."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mesh.dns import NEVER, Names, Resolver, system_resolve
from meshcore.bind.spec import Address, Cluster, DnsTarget, Endpoint

WAIT_S = 10


def cluster(name: str = "c", *targets: DnsTarget, kind: str = "strict_dns", **settings: Any) -> Cluster:
    return Cluster(name, kind=kind, dns=targets or (DnsTarget("web", 80),), **settings)


def hosts(*addresses: str, name: str = "web", port: int = 80) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(Address(address, port), hostname=name) for address in addresses)


class Table:
    """Names driven by hand: `ask` is what a resolver thread does."""

    def __init__(self, *clusters: Cluster, chance: float = 0.0) -> None:
        self.names = Names(lambda: chance)
        self.names.replace(clusters, 0.0)

    def ask(self, now: float, answers: dict[str, list[str] | None]) -> list[tuple[str, tuple[Endpoint, ...], bool]]:
        for lookup, _ in self.names.due(now):
            self.names.answer(lookup, answers[lookup.target.hostname], now)
        return self.names.changes()


def test_all_names_are_due_at_once_and_then_not_until_answered() -> None:
    table = Table(cluster("a"), cluster("b", DnsTarget("x", 1), DnsTarget("y", 2)))
    assert sorted(lookup.target.hostname for lookup, _ in table.names.due(0.0)) == ["web", "x", "y"]
    assert table.names.due(0.0) == []
    assert table.names.next_due() == NEVER


def test_an_answer_is_reported_once_and_asked_again_after_the_refresh_time() -> None:
    table = Table(cluster(dns_refresh_ms=5000))
    assert table.ask(0.0, {"web": ["10.0.0.1"]}) == [("c", hosts("10.0.0.1"), True)]
    assert table.names.next_due() == 5.0
    assert table.ask(5.0, {"web": ["10.0.0.1"]}) == []
    assert table.ask(10.0, {"web": ["10.0.0.2"]}) == [("c", hosts("10.0.0.2"), True)]


def test_a_shuffled_answer_is_no_change() -> None:
    table = Table(cluster())
    assert table.ask(0.0, {"web": ["10.0.0.10", "10.0.0.9", "::1", "10.0.0.9"]}) == [
        ("c", hosts("10.0.0.9", "10.0.0.10", "::1"), True)
    ]
    assert table.ask(5.0, {"web": ["::1", "10.0.0.9", "10.0.0.10"]}) == []


def test_logical_dns_is_one_host_at_the_first_address_and_knows_the_others() -> None:
    table = Table(cluster(kind="logical_dns"))
    [(_, [host], ok)] = table.ask(0.0, {"web": ["10.0.0.2", "10.0.0.3", "10.0.0.1"]})
    assert (host.address, ok) == (Address("10.0.0.2", 80), True)
    assert host.additional == (Address("10.0.0.1", 80), Address("10.0.0.3", 80))


def test_logical_dns_takes_a_shuffle_behind_the_first_address_for_no_change() -> None:
    table = Table(cluster(kind="logical_dns"))
    table.ask(0.0, {"web": ["10.0.0.2", "10.0.0.3", "10.0.0.1"]})
    assert table.ask(5.0, {"web": ["10.0.0.2", "10.0.0.1", "10.0.0.3"]}) == []


def test_a_failure_keeps_the_hosts_and_is_reported_as_such_once() -> None:
    table = Table(cluster(dns_refresh_ms=1000, dns_failure_base_ms=1000, dns_failure_max_ms=1000))
    table.ask(0.0, {"web": ["10.0.0.1"]})
    assert table.ask(1.0, {"web": None}) == [("c", hosts("10.0.0.1"), False)]
    assert table.ask(2.0, {"web": None}) == []
    assert table.ask(3.0, {"web": ["10.0.0.1"]}) == [("c", hosts("10.0.0.1"), True)]


def test_a_name_that_fails_keeps_its_hosts_beside_those_of_one_that_answers() -> None:
    table = Table(cluster("c", DnsTarget("x", 1), DnsTarget("y", 1)))
    table.ask(0.0, {"x": ["10.0.0.1"], "y": ["10.0.0.2"]})
    [(_, found, ok)] = table.ask(5.0, {"x": None, "y": ["10.0.0.3"]})
    assert ([one.address.host for one in found], ok) == (["10.0.0.1", "10.0.0.3"], True)


def test_a_first_failure_is_an_empty_cluster() -> None:
    table = Table(cluster())
    assert table.ask(0.0, {"web": None}) == [("c", (), False)]
    assert table.names.first_done


def test_failures_back_off_up_to_the_maximum_and_a_success_resets() -> None:
    table = Table(cluster(dns_refresh_ms=100, dns_failure_base_ms=1000, dns_failure_max_ms=5000), chance=1.0)
    now, waits = 0.0, []
    for _ in range(5):
        table.ask(now, {"web": None})
        waits.append(table.names.next_due() - now)
        now = table.names.next_due()
    assert waits == pytest.approx([1, 2, 4, 5, 5])
    table.ask(now, {"web": ["10.0.0.1"]})
    now = table.names.next_due()
    table.ask(now, {"web": None})
    assert table.names.next_due() - now == pytest.approx(1)


def test_the_lower_half_of_a_window_is_never_drawn() -> None:
    table = Table(cluster(dns_failure_base_ms=1000, dns_failure_max_ms=5000), chance=0.0)
    table.ask(0.0, {"web": None})
    assert table.names.next_due() == pytest.approx(0.5)


def test_jitter_adds_to_the_refresh_time() -> None:
    table = Table(cluster(dns_refresh_ms=1000, dns_jitter_ms=500), chance=0.5)
    table.ask(0.0, {"web": ["10.0.0.1"]})
    assert table.names.next_due() == pytest.approx(1.25)


def test_a_cluster_is_reported_when_all_its_names_have_been_answered() -> None:
    table = Table(cluster("c", DnsTarget("x", 1, weight=3), DnsTarget("y", 2, endpoint_hostname="shown")))
    first, second = table.names.due(0.0)
    table.names.answer(first[0], ["10.0.0.1"], 0.0)
    assert table.names.changes() == []
    table.names.answer(second[0], ["10.0.0.2"], 0.0)
    expected = (
        Endpoint(Address("10.0.0.1", 1), weight=3, hostname="x"),
        Endpoint(Address("10.0.0.2", 2), hostname="shown"),
    )
    assert table.names.changes() == [("c", expected, True)]
    assert table.names.endpoints("c") == expected
    assert table.names.endpoints("none") == ()


def test_an_address_that_two_names_share_is_one_host() -> None:
    table = Table(cluster("c", DnsTarget("x", 1), DnsTarget("y", 1)))
    [(_, found, _)] = table.ask(0.0, {"x": ["10.0.0.1"], "y": ["10.0.0.1", "10.0.0.2"]})
    assert [one.address.host for one in found] == ["10.0.0.1", "10.0.0.2"]


def test_an_ip_literal_is_never_asked_about() -> None:
    table = Table(cluster("c", DnsTarget("10.0.0.1", 80)))
    assert table.names.due(1e9) == []
    assert table.names.changes() == [("c", hosts("10.0.0.1", name="10.0.0.1"), True)]


def test_a_new_configuration_keeps_the_answers_to_the_same_questions() -> None:
    table = Table(cluster("same"), cluster("gone"), cluster("other"))
    table.ask(0.0, {"web": ["10.0.0.1"]})
    [stale] = [entry.lookups[0] for name, entry in table.names._entries.items() if name == "gone"]
    table.names.replace(
        [cluster("same", dns_refresh_ms=9), cluster("other", DnsTarget("new", 1)), Cluster("static")], 1.0
    )
    assert [lookup.target.hostname for lookup, _ in table.names.due(1.0)] == ["new"]
    assert table.names.endpoints("same") == hosts("10.0.0.1")
    assert table.names.endpoints("gone") == ()
    table.names.answer(stale, ["10.9.9.9"], 1.0)
    assert table.names.changes() == []


# --- the thread -----------------------------------------------------------------------------------------------------


class Server:
    """A resolver in the test's hand: each question waits for `answer`."""

    def __init__(self) -> None:
        self.asked: queue.Queue[tuple[str, str]] = queue.Queue()
        self._answers: dict[str, queue.Queue[list[str] | None]] = {}
        self._lock = threading.Lock()

    def _slot(self, name: str) -> queue.Queue[list[str] | None]:
        with self._lock:
            return self._answers.setdefault(name, queue.Queue())

    def answer(self, name: str, addresses: list[str] | None) -> None:
        self._slot(name).put(addresses)

    def __call__(self, name: str, family: str) -> list[str]:
        self.asked.put((name, family))
        found = self._slot(name).get(timeout=WAIT_S)
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return found


@contextmanager
def resolver(server: Any, *clusters: Cluster, **settings: Any) -> Iterator[tuple[Resolver, queue.Queue[Any]]]:
    reports: queue.Queue[Any] = queue.Queue()
    found = Resolver(clusters, lambda *change: reports.put(change), resolve=server, **settings)
    found.start()
    try:
        yield found, reports
    finally:
        assert found.stop(WAIT_S)


def test_names_are_asked_side_by_side_and_the_first_round_can_be_awaited() -> None:
    server = Server()
    with resolver(server, cluster("a", DnsTarget("x", 1)), cluster("b", DnsTarget("y", 2))) as (found, reports):
        assert sorted(server.asked.get(timeout=WAIT_S)[0] for _ in range(2)) == ["x", "y"]
        assert not found.wait_first(0)
        server.answer("y", ["10.0.0.2"])
        assert reports.get(timeout=WAIT_S) == ("b", hosts("10.0.0.2", name="y", port=2), True)
        server.answer("x", None)
        assert reports.get(timeout=WAIT_S) == ("a", (), False)
        assert found.wait_first(WAIT_S)
        assert found.endpoints("b") == hosts("10.0.0.2", name="y", port=2)


def test_a_name_is_asked_again_when_the_clock_says_so() -> None:
    server = Server()
    clock = [0.0]
    with resolver(server, cluster(dns_lookup_family="v4_only"), now=lambda: clock[0]) as (found, reports):
        server.answer("web", ["10.0.0.1"])
        assert reports.get(timeout=WAIT_S)[2]
        assert server.asked.get(timeout=WAIT_S) == ("web", "v4_only")
        clock[0] = 5.0
        found.refresh()
        server.answer("web", ["10.0.0.2"])
        assert reports.get(timeout=WAIT_S) == ("c", hosts("10.0.0.2"), True)


def test_a_new_cluster_is_asked_about_at_once() -> None:
    server = Server()
    with resolver(server) as (found, reports):
        assert found.wait_first(WAIT_S)
        found.update([cluster()])
        assert not found.wait_first(0)
        server.answer("web", ["10.0.0.1"])
        assert reports.get(timeout=WAIT_S) == ("c", hosts("10.0.0.1"), True)
        assert found.wait_first(WAIT_S)


def test_more_names_than_threads_are_all_answered() -> None:
    names = [f"n{number}" for number in range(50)]
    clusters = [cluster(name, DnsTarget(name, 1)) for name in names]
    with resolver(lambda name, family: [f"10.0.0.{name[1:]}"], *clusters) as (found, reports):
        assert found.wait_first(WAIT_S)
        assert sorted(reports.get(timeout=WAIT_S)[0] for _ in names) == sorted(names)


def test_a_callback_that_fails_does_not_end_the_thread() -> None:
    server = Server()
    seen: queue.Queue[str] = queue.Queue()

    def changed(name: str, found: tuple[Endpoint, ...], ok: bool) -> None:
        seen.put(name)
        raise RuntimeError("no")

    found = Resolver([cluster("a", DnsTarget("x", 1)), cluster("b", DnsTarget("y", 1))], changed, resolve=server)
    found.start()
    server.answer("x", ["10.0.0.1"])
    assert seen.get(timeout=WAIT_S) == "a"
    server.answer("y", ["10.0.0.1"])
    assert seen.get(timeout=WAIT_S) == "b"
    assert found.stop(WAIT_S)


def test_stop_does_not_wait_for_a_resolver_that_hangs() -> None:
    server = Server()
    with resolver(server, cluster()) as (_, reports):
        server.asked.get(timeout=WAIT_S)
    server.answer("web", ["10.0.0.1"])
    assert reports.empty()


def test_stop_before_start_is_fine() -> None:
    assert Resolver([], lambda *change: None).stop()


@pytest.mark.parametrize(("family", "versions"), [("v4_only", {4}), ("v4_preferred", {4})])
def test_the_system_resolves_localhost(family: str, versions: set[int]) -> None:
    found = system_resolve("localhost", family)
    assert found and {4 if "." in one else 6 for one in found} == versions


def test_the_family_decides_what_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {socket.AF_INET: ["10.0.0.1", "10.0.0.1"], socket.AF_INET6: []}

    def ask(name: str, port: None, family: int, kind: int) -> list[Any]:
        if not answers[family]:
            raise socket.gaierror(socket.EAI_NODATA, "none")
        return [(family, kind, 6, "", (one, 0)) for one in answers[family]]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    assert system_resolve("web", "auto") == ["10.0.0.1"]
    assert system_resolve("web", "v4_preferred") == ["10.0.0.1"]
    assert system_resolve("web", "all") == ["10.0.0.1"]
    with pytest.raises(OSError):
        system_resolve("web", "v6_only")
    answers[socket.AF_INET6] = ["::5"]
    assert system_resolve("web", "auto") == ["::5"]
    assert system_resolve("web", "all") == ["10.0.0.1", "::5"]
