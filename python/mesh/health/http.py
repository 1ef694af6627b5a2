"""What an HTTP check asks and what the answer means, in either version of HTTP. No connection; http1.py and http2.py have those.

Header values may hold format operators, which see the checked host and no downstream (127.0.0.1:0 stands for it, as in Envoy).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from mesh.health.probe import USER_AGENT, Target, contains_in_order
from mesh.health.state import ACTIVE, Result
from meshcore.bind.format import Formatter
from meshcore.bind.health_spec import HttpCheck
from meshcore.bind.matchers import regex_matches
from meshcore.bind.runtime import RuntimeCells
from meshcore.bind.spec import HeaderAdd, StringMatch

Headers = list[tuple[bytes, bytes]]
NOBODY = "127.0.0.1:0"
IMMEDIATE = b"x-envoy-immediate-health-check-fail"
DEGRADED = b"x-envoy-degraded"
CHECKED_CLUSTER = b"x-envoy-upstream-healthchecked-cluster"
VERIFY_PERCENT = 100


class Added:
    """Headers that a configuration adds to or takes from a check's request."""

    def __init__(self, adds: Iterable[HeaderAdd], removes: Iterable[str], protocol: int) -> None:
        self._adds = [(add, Formatter(add.value)) for add in adds]
        self._removes = {name.encode() for name in removes}
        self._protocol = protocol

    def apply(self, headers: Headers, target: Target) -> Headers:
        """`headers` with what is removed and added; new ones come last."""
        found = [item for item in headers if item[0] not in self._removes]
        for add, formatter in self._adds:
            value = formatter.write(facts_of(target, self._protocol))
            name = add.name.encode()
            here = any(item[0] == name for item in found)
            if (not value and not add.keep_empty) or (add.action == "add_if_absent" and here) or (
                add.action == "overwrite_if_exists" and not here
            ):
                continue
            if add.action in ("overwrite", "overwrite_if_exists"):
                found = [item for item in found if item[0] != name]
            found.append((name, value))
        return found


def facts_of(target: Target, protocol: int) -> dict[str, object]:
    """What format operators see of a check."""
    found: dict[str, object] = {
        "downstream_remote": NOBODY, "downstream_direct_remote": NOBODY, "downstream_local": NOBODY,
        "downstream_direct_local": NOBODY, "protocol": protocol,
    }  # fmt: skip
    if target.endpoint.metadata:
        found["upstream_metadata"] = json.loads(target.endpoint.metadata)
    return found


class HttpQuestion:
    """One HttpCheck of one host, ready to be asked again and again."""

    def __init__(self, check: HttpCheck, target: Target, protocol: int) -> None:
        self.check = check
        self._target = target
        self._added = Added(check.headers_to_add, check.headers_to_remove, protocol)
        self.authority = (target.hostname or check.host or target.cluster).encode()

    def headers(self) -> Headers:
        """The request's fields, without those that name its target."""
        found = self._added.apply([(b"user-agent", USER_AGENT.encode())], self._target)
        if self.check.send:
            found.append((b"content-length", b"%d" % len(self.check.send)))
        return found

    def room(self) -> int | None:
        """How much of the body is looked at; None: all of it."""
        if not self.check.receive:
            return 0
        return self.check.response_buffer_size or None

    def judge(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, verify: Verify) -> Result:
        """What a whole answer means."""
        named = dict(headers)
        failed = Result(ACTIVE, immediate=IMMEDIATE in named, status=status)
        if self.check.receive and not contains_in_order(self.check.receive, body):
            return failed
        if not _within(status, self.check.expected_statuses):
            retriable = _within(status, self.check.retriable_statuses)
            return Result(ACTIVE, retriable=retriable, immediate=failed.immediate, status=status)
        wanted = self.check.service_name
        if wanted is not None and verify.asked() and not string_matches(wanted, named.get(CHECKED_CLUSTER, b"")):
            return Result(ACTIVE, status=status)
        return Result(degraded=DEGRADED in named, status=status)


class Verify:
    """Whether service names are verified now: a share of all checks that runtime decides. `count` is told of each that is."""

    def __init__(self, runtime: RuntimeCells, count: Callable[[], None], chance: Callable[[], float]) -> None:
        self._runtime = runtime
        self._count = count
        self._chance = chance

    def asked(self) -> bool:
        on = self._chance() * 100 < self._runtime.integer("health_check.verify_cluster", VERIFY_PERCENT)
        if on:
            self._count()
        return on


def string_matches(wanted: StringMatch, value: bytes) -> bool:
    """A StringMatcher against a header's value."""
    if wanted.kind == "regex":
        return regex_matches(wanted.value, value)
    text, pattern = value, wanted.value.encode()
    if wanted.ignore_case:
        text, pattern = text.lower(), pattern.lower()
    if wanted.kind == "exact":
        return text == pattern
    if wanted.kind == "prefix":
        return text.startswith(pattern)
    return text.endswith(pattern) if wanted.kind == "suffix" else pattern in text


def _within(status: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(start <= status < end for start, end in ranges)
