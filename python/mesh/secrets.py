"""Secrets of one proxy: certificates, authorities and session ticket keys that may change while connections use them.

A TLS context of the plan holds references (`SecretRef`); this is where they become contents. A reference is followed as long as a
listener or cluster has it: by its file (as a subscription, counted as `sds.<name>.*`), and by the files that the secret itself names; a
secret of the configuration is followed when it names a directory to watch. What cannot be used leaves the old one in place. `changed` is
told which references have new contents. Runs on the thread that publishes and on the watcher's, under the lock of the proxy."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from mesh.config import ConfigError, Problem, tls_secret, tls_validation
from mesh.config.errors import Report
from mesh.config.lowering import Lowering
from mesh.xds.response import Response, single
from mesh.xds.subscription import FileSubscription
from mesh.xds.watch import Watcher
from meshcore.bind import spec
from meshcore.bind.record import replace
from meshcore.bind.stats import StatsRegistry

LOG = logging.getLogger("mesh.secrets")
SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"
ROTATION_FAILED = "key_rotation_failed"


class Followed:
    """One reference: its message, what it was lowered to (None: it has not come yet), and what tells of changes."""

    def __init__(self) -> None:
        self.message: Any = None
        self.content: Any = None
        self.subscription: FileSubscription | None = None
        self.watches: list[tuple[str, str]] = []
        self.reread: Callable[[], None] = lambda: None


class Secrets:
    def __init__(
        self, low: Lowering, registry: StatsRegistry, changed: Callable[[set[spec.SecretRef]], None], lock: threading.RLock
    ) -> None:
        self._low = low
        self._registry = registry
        self._changed = changed
        self._lock = lock
        self._followed: dict[spec.SecretRef, Followed] = {}
        self._watcher: Watcher | None = None
        self._told: set[spec.SecretRef] | None = None  # changes while a plan is taken over

    def follow(self, plan: spec.Plan, low: Lowering) -> set[spec.SecretRef]:
        """Follows the references of `plan` too; which of those that are there already have other contents now."""
        packed = dict(plan.secrets)
        with self._lock:
            self._low, self._told = low, set()
            before = set(self._followed)
            for ref in dict.fromkeys(references(plan)):
                if ref not in self._followed:
                    self._begin(ref)
                if ref.source is None:
                    self._take_packed(ref, ref.packed or packed[ref.name])
            told, self._told = self._told, None
            return told & before

    def forget_unused(self, plan: spec.Plan) -> None:
        """Follows what `plan` does not name no longer."""
        wanted = set(references(plan))
        with self._lock:
            for ref in [ref for ref in self._followed if ref not in wanted]:
                self._leave(ref)

    def set(self, message: Any) -> None:
        """Gives every reference to the secret of this name the content of `message`; ConfigError when it cannot be used."""
        with self._lock:
            refs = [ref for ref in self._followed if ref.name == message.name]
            if not refs:
                raise KeyError(f"no TLS context uses a secret called {message.name!r}")
            content = self._lowered(message)
            for ref in refs:
                self._take(ref, message, content)

    def resolved(self, one: Any) -> Any:
        """A listener or cluster of the plan with contents in place of references."""
        if isinstance(one, spec.Cluster):
            return self._cluster(one) if any(context.secrets for context in one.tls_contexts) else one
        if not any(chain.tls is not None and chain.tls.secrets for chain in one.chains):
            return one
        return replace(one, chains=tuple(self._chain(chain) for chain in one.chains))

    def _cluster(self, one: spec.Cluster) -> spec.Cluster:
        matches = (replace(match, tls=self.context(match.tls)) if match.tls is not None else match for match in one.socket_matches)
        return replace(one, tls=self.context(one.tls) if one.tls is not None else None, socket_matches=tuple(matches))

    def _chain(self, chain: spec.FilterChain) -> spec.FilterChain:
        return replace(chain, tls=self.context(chain.tls)) if chain.tls is not None and chain.tls.secrets else chain

    def come(self, refs: Iterable[spec.SecretRef]) -> int:
        """How many of these references to files have contents."""
        with self._lock:
            return sum(ref.source is not None and ref in self._followed and self._followed[ref].content is not None for ref in refs)

    def context(self, one: spec.TlsContext) -> spec.TlsContext:
        """With contents in place of references; as in Envoy, one certificate of several is enough. Any thread, and without the lock:
        mesh.health asks in the middle of a check."""
        held = {ref: self._followed.get(ref) for ref in one.secrets}
        contents: dict[spec.SecretRef, Any] = {ref: found.content if found is not None else None for ref, found in held.items()}
        shown = (*one.certificates, *(contents[ref] for ref in one.certificate_secrets if contents[ref] is not None))
        missing = any(contents[ref] is None for ref in (one.validation_secret, one.ticket_secret) if ref is not None)
        if missing or (one.certificate_secrets and not shown):
            return replace(one, ready=False)
        rules = one.rules
        if one.validation_secret is not None:
            rules = self._rules(one, contents[one.validation_secret])
        tickets = contents[one.ticket_secret] if one.ticket_secret is not None else one.tickets
        return replace(one, certificates=shown, rules=rules, tickets=tickets)

    def _rules(self, one: spec.TlsContext, message: Any) -> spec.TlsRules:
        merged = type(message).FromString(one.validation_default)
        merged.MergeFrom(message)
        low = self._low.again(Report("secret"))
        name = one.validation_secret.name if one.validation_secret is not None else ""
        rules = tls_validation.lower_context(merged, low, name, require=one.rules.require, name=name)
        low.report.raise_if_any()
        return rules

    def stop(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()

    # --- one reference ---

    def _watch(self) -> Watcher:
        if self._watcher is None:
            self._watcher = Watcher()
            self._watcher.start()
        return self._watcher

    def _begin(self, ref: spec.SecretRef) -> None:
        one = self._followed[ref] = Followed()
        one.reread = lambda: self._reread(ref)
        if ref.source is None:
            return
        prefix = f"sds.{ref.name}."
        self._registry.counter(prefix + ROTATION_FAILED)
        one.subscription = FileSubscription(
            ref.source, SECRET, prefix, lambda response: self._take_response(ref, response), self._registry, self._watch()
        )
        one.subscription.start()

    def _leave(self, ref: spec.SecretRef) -> None:
        gone = self._followed.pop(ref)
        self._unwatch(gone)
        if gone.subscription is not None:
            gone.subscription.stop()
            self._registry.release(f"sds.{ref.name}.{ROTATION_FAILED}")

    def _unwatch(self, one: Followed) -> None:
        for directory, name in one.watches:
            self._watch().remove(directory, name, one.reread)
        one.watches = []

    def _watch_files(self, ref: spec.SecretRef, one: Followed) -> None:
        directory, names = tls_secret.files(one.message)
        wanted = [(directory, "")] if directory else [os.path.split(name) for name in names] if ref.source is not None else []
        if wanted == one.watches:
            return
        self._unwatch(one)
        for place in wanted:
            self._watch().add(*place, one.reread)
        one.watches = wanted

    # --- contents ---

    def _lowered(self, message: Any) -> Any:
        low = self._low.again(Report("secret"))
        content = tls_secret.lower(message, low, message.name)
        low.report.raise_if_any()
        return content

    def _take_packed(self, ref: spec.SecretRef, packed: bytes) -> None:
        from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret

        message = Secret.FromString(packed)
        self._take(ref, message, self._lowered(message))

    def _take_response(self, ref: spec.SecretRef, response: Response) -> None:
        message = single(response, ref.name, lambda found: found.name, "SDS secret")
        with self._lock:
            self._take(ref, message, self._lowered(message))

    def _take(self, ref: spec.SecretRef, message: Any, content: Any) -> None:
        one = self._followed[ref]
        before = one.message, one.content
        one.message, one.content = message, content
        try:
            if before[1] == content:
                pass
            elif self._told is not None:
                self._told.add(ref)
            else:
                self._changed({ref})
        except BaseException:
            one.message, one.content = before
            raise
        self._watch_files(ref, one)

    def _reread(self, ref: spec.SecretRef) -> None:
        """Files of the secret have been replaced."""
        with self._lock:
            one = self._followed.get(ref)
            if one is None:
                return
            try:
                self._take(ref, one.message, self._lowered(one.message))
            except (ConfigError, OSError) as error:
                if ref.source is not None:
                    self._registry.add(f"sds.{ref.name}.{ROTATION_FAILED}")
                LOG.warning("secret %r: its files are not taken over: %s", ref.name, error)


def references(plan: spec.Plan) -> Iterable[spec.SecretRef]:
    for listener in plan.listeners:
        for chain in listener.chains:
            if chain.tls is not None:
                yield from chain.tls.secrets
    for cluster in plan.clusters:
        for context in cluster.tls_contexts:
            yield from context.secrets


def message_of(source: Any) -> Any:
    """The Secret message of a dict or message."""
    from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
    from google.protobuf.json_format import ParseDict, ParseError

    if not isinstance(source, dict):
        return source
    try:
        return ParseDict(source, Secret())
    except ParseError as error:
        raise ConfigError([Problem("", str(error), "secret")]) from None
