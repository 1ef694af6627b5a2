"""Names to addresses for STRICT_DNS and LOGICAL_DNS clusters, off the data path.

`Names` is the whole logic without a thread or a clock: which name is due, what an answer changes, when it is due
again. `Resolver` drives it: one thread keeps the time and calls back, a few daemon threads sit in getaddrinfo (it
cannot be interrupted, so they are never waited for longer than `stop` allows). Envoy's rules: each name refreshes on
its own, a failure keeps the hosts that are known and backs off, STRICT_DNS keeps all addresses as hosts and LOGICAL_DNS
one host, at the first address, that is dialled at the others too. The callback runs on the resolver's thread, on change only."""

from __future__ import annotations

import ipaddress
import logging
import queue
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable

from mesh.name_servers import Channels
from meshcore.bind.record import field, record
from meshcore.bind.spec import Address, Cluster, DnsTarget, Endpoint, NameServers

LOG = logging.getLogger("mesh.dns")
Changed = Callable[[str, tuple[Endpoint, ...], bool], None]
Resolve = Callable[[str, str], list[str]]
DNS_KINDS = ("strict_dns", "logical_dns")
THREADS_MAX = 16
NEVER = float("inf")
FAMILIES = {
    "auto": ((socket.AF_INET6,), (socket.AF_INET,)),
    "v4_only": ((socket.AF_INET,),),
    "v6_only": ((socket.AF_INET6,),),
    "v4_preferred": ((socket.AF_INET,), (socket.AF_INET6,)),
    "all": ((socket.AF_INET, socket.AF_INET6),),
}


def system_resolve(name: str, family: str) -> list[str]:
    """The addresses of `name` in the system's order, by Envoy's dns_lookup_family; OSError when there are none."""
    error: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
    for group in FAMILIES[family]:
        found: list[str] = []
        for one in group:
            try:
                found += [str(item[4][0]) for item in socket.getaddrinfo(name, None, one, socket.SOCK_STREAM)]
            except OSError as failure:
                error = failure
        if found:
            return list(dict.fromkeys(found))
    raise error


@record(frozen=False)
class Lookup:
    """One name of one cluster; `addresses` is the last good answer, `due` when to ask (NEVER while asked or when it
    is an IP)."""

    cluster: str
    target: DnsTarget
    due: float
    addresses: tuple[str, ...] = ()
    failures: int = 0
    answered: bool = False
    ok: bool = False
    servers: NameServers | None = None  # None: the system is asked


@record(frozen=False)
class _Entry:
    """One cluster and what was last reported of it."""

    spec: Cluster
    lookups: list[Lookup] = field(default_factory=list)
    reported: tuple[tuple[Endpoint, ...], bool] | None = None


class Names:
    """All names of all DNS clusters; `chance` returns a number in [0, 1)."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._entries: dict[str, _Entry] = {}
        self._chance = chance

    def replace(self, clusters: Iterable[Cluster], now: float) -> None:
        """Takes the clusters of a configuration; one that asks DNS the same questions as before keeps its answers."""
        before, self._entries = self._entries, {}
        for spec in clusters:
            if spec.kind not in DNS_KINDS:
                continue
            old = before.get(spec.name)
            if old is not None and _question(old.spec) == _question(spec):
                old.spec = spec
                self._entries[spec.name] = old
            else:
                self._entries[spec.name] = _Entry(spec, [_lookup(spec, target, now) for target in spec.dns])

    def due(self, now: float) -> list[tuple[Lookup, str]]:
        """(lookup, family) of all that must be asked now; each is out until `answer`."""
        found = []
        for entry in self._entries.values():
            for lookup in entry.lookups:
                if lookup.due <= now:
                    lookup.due = NEVER
                    found.append((lookup, entry.spec.dns_lookup_family))
        return found

    def next_due(self) -> float:
        return min((lookup.due for entry in self._entries.values() for lookup in entry.lookups), default=NEVER)

    def answer(self, lookup: Lookup, addresses: list[str] | None, now: float, ttl_s: int = 0) -> None:
        """Takes the answer to a lookup (None: it failed) and sets when to ask again. `ttl_s`: 0 = none is known."""
        entry = self._entries.get(lookup.cluster)
        if entry is None or all(lookup is not mine for mine in entry.lookups):
            return
        spec = entry.spec
        lookup.answered = True
        if addresses:
            lookup.ok, lookup.failures = True, 0
            lookup.addresses = tuple(addresses)
            refresh_ms = ttl_s * 1000 if spec.respect_dns_ttl and ttl_s else spec.dns_refresh_ms
            wait_ms = refresh_ms + spec.dns_jitter_ms * self._chance()
        else:
            lookup.ok = False
            wait_ms = self._back_off(spec, lookup.failures)
            lookup.failures += 1
        lookup.due = now + wait_ms / 1000

    def _back_off(self, spec: Cluster, failures: int) -> float:
        """Milliseconds: the base doubles with each failure up to the maximum, and the upper half of that window is
        drawn from."""
        if spec.dns_failure_base_ms >= spec.dns_failure_max_ms:
            return spec.dns_failure_base_ms
        window = min(spec.dns_failure_max_ms, spec.dns_failure_base_ms * 2.0 ** min(failures, 32))
        return window / 2 + window / 2 * self._chance()

    def changes(self) -> list[tuple[str, tuple[Endpoint, ...], bool]]:
        """What is different from the last call: (cluster, hosts, whether any of its names resolves); only answered
        clusters."""
        found = []
        for name, entry in self._entries.items():
            if not all(lookup.answered for lookup in entry.lookups):
                continue
            state = (_endpoints(entry), any(lookup.ok for lookup in entry.lookups))
            if state != entry.reported:
                entry.reported = state
                found.append((name, *state))
        return found

    def endpoints(self, name: str) -> tuple[Endpoint, ...]:
        """The hosts that are known of a cluster."""
        entry = self._entries.get(name)
        return _endpoints(entry) if entry else ()

    @property
    def first_done(self) -> bool:
        """Whether every name has been answered or has failed once."""
        return all(lookup.answered for entry in self._entries.values() for lookup in entry.lookups)


def _question(spec: Cluster) -> tuple[object, ...]:
    return spec.kind, spec.dns, spec.dns_lookup_family, _servers(spec)


def _servers(spec: Cluster) -> NameServers | None:
    """Who is asked for a cluster; None: the system."""
    return spec.name_servers or (NameServers() if spec.respect_dns_ttl else None)


def _lookup(spec: Cluster, target: DnsTarget, now: float) -> Lookup:
    """An IP literal is its own answer and is never asked about."""
    try:
        literal = str(ipaddress.ip_address(target.hostname))
    except ValueError:
        return Lookup(spec.name, target, due=now, servers=_servers(spec))
    return Lookup(spec.name, target, due=NEVER, addresses=(literal,), answered=True, ok=True)


def _endpoints(entry: _Entry) -> tuple[Endpoint, ...]:
    """Hosts in the order of the names and, within a name, of the addresses, so that a shuffled answer is no change."""
    found: dict[Address, Endpoint] = {}
    for lookup in entry.lookups:
        target = lookup.target
        if entry.spec.kind == "logical_dns":
            first, rest = lookup.addresses[:1], sorted(lookup.addresses[1:], key=_order)
            for address in (Address(host, target.port) for host in first):
                found[address] = target.endpoint(address, tuple(Address(host, target.port) for host in rest))
            continue
        for host in sorted(lookup.addresses, key=_order):
            address = Address(host, target.port)
            found.setdefault(address, target.endpoint(address))
    return tuple(found.values())


def _order(host: str) -> tuple[int, int]:
    address = ipaddress.ip_address(host.partition("%")[0])
    return address.version, int(address)


class Resolver:
    """Keeps the hosts of DNS clusters current from `start` to `stop`; every method may be called from any thread."""

    def __init__(
        self,
        clusters: Iterable[Cluster],
        changed: Changed,
        *,
        resolve: Resolve = system_resolve,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._names = Names(chance)
        self._changed = changed
        self._resolve = resolve
        self._now = now
        self._names.replace(clusters, now())
        self._wake = threading.Condition()
        self._first = threading.Event()
        self._stopping = False
        self._channels = Channels()
        self._asked: queue.SimpleQueue[tuple[Lookup, str] | None] = queue.SimpleQueue()
        self._idle = 0
        self._askers: list[threading.Thread] = []
        self._keeper = threading.Thread(target=self._keep, name="mesh-dns", daemon=True)

    def start(self) -> None:
        self._keeper.start()

    def wait_first(self, timeout: float) -> bool:
        """Waits until every name was answered or failed once; False when `timeout` seconds pass first."""
        return self._first.wait(timeout)

    def update(self, clusters: Iterable[Cluster]) -> None:
        """Takes the clusters of a new configuration; unchanged ones keep their hosts."""
        with self._wake:
            self._names.replace(clusters, self._now())
            if not self._names.first_done:
                self._first.clear()
            self._wake.notify()

    def endpoints(self, cluster: str) -> tuple[Endpoint, ...]:
        """The hosts known of a cluster at this moment."""
        with self._wake:
            return self._names.endpoints(cluster)

    def refresh(self) -> None:
        """Looks again at what is due, for a caller whose clock has moved."""
        with self._wake:
            self._wake.notify()

    def stop(self, timeout: float = 1.0) -> bool:
        """Ends the thread; no callback runs after True. False when a callback is still running after `timeout`
        seconds."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        for _ in self._askers:
            self._asked.put(None)
        self._channels.close()
        if self._keeper.ident is None or self._keeper is threading.current_thread():
            return True
        self._keeper.join(timeout)
        return not self._keeper.is_alive()

    def _keep(self) -> None:
        """The thread: hand out what is due, report what changed, sleep until the next is due or an answer arrives."""
        while True:
            with self._wake:
                if self._stopping:
                    return
                for question in self._names.due(self._now()):
                    self._ask(question)
                changes = self._names.changes()
                first_done = self._names.first_done
                if not changes:
                    if first_done:
                        self._first.set()
                    wait = self._names.next_due() - self._now()
                    if wait > 0:
                        self._wake.wait(None if wait == NEVER else wait)
                    continue
            for name, endpoints, ok in changes:
                self._report(name, endpoints, ok)

    def _report(self, name: str, endpoints: tuple[Endpoint, ...], ok: bool) -> None:
        try:
            self._changed(name, endpoints, ok)
        except Exception:
            LOG.exception("the hosts of cluster '%s' could not be taken over", name)

    def _ask(self, question: tuple[Lookup, str]) -> None:
        """Gives a lookup to a thread that waits, or to a new one while there are few. The lock is held."""
        if self._idle <= 0 and len(self._askers) < THREADS_MAX:
            asker = threading.Thread(target=self._answer_all, name=f"mesh-dns-{len(self._askers)}", daemon=True)
            self._askers.append(asker)
            asker.start()
        else:
            self._idle -= 1
        self._asked.put(question)

    def _answer_all(self) -> None:
        while (question := self._asked.get()) is not None:
            lookup, family = question
            try:
                if lookup.servers is None:
                    addresses: list[str] | None = self._resolve(lookup.target.hostname, family)
                    ttl_s = 0
                else:
                    addresses, ttl_s = self._channels.ask(lookup.target.hostname, family, lookup.servers)
            except Exception as error:
                addresses, ttl_s = None, 0
                if lookup.failures == 0:
                    LOG.warning("cluster '%s': cannot resolve '%s': %s", lookup.cluster, lookup.target.hostname, error)
            with self._wake:
                self._idle += 1
                self._names.answer(lookup, addresses, self._now(), ttl_s)
                self._wake.notify()
