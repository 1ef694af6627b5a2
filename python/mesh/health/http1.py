"""HTTP/1.1 checks, read by the engine's own codec: what it refuses to forward is no answer. See probe.py for the law."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from mesh.health.http import HttpQuestion, Verify
from mesh.health.probe import Probe, Target
from mesh.health.state import NETWORK, Result
from meshcore.bind.codec import ResponseParser, write_request
from meshcore.bind.codec_events import Data, End, Event, ProtocolError, ResponseHead
from meshcore.bind.health_spec import HttpCheck

HTTP_11 = 1


class Http1Probe(Probe):
    def __init__(self, check: HttpCheck, target: Target, reuse: bool, done: Callable[[Result], None], verify: Verify) -> None:
        super().__init__(target, reuse, done)
        self._question = HttpQuestion(check, target, HTTP_11)
        self._verify = verify
        self._parser: ResponseParser | None = None
        self._head: ResponseHead | None = None
        self._body = b""

    def on_connected(self) -> None:
        self._parser = ResponseParser()

    def on_ready(self) -> None:
        check, self._head, self._body = self._question.check, None, b""
        method = check.method.encode()
        assert self._parser is not None
        self._parser.expect(method)
        self.write(write_request(method, check.path.encode(), self._question.authority, self._question.headers()) + check.send)

    def on_bytes(self, data: bytes) -> None:
        assert self._parser is not None
        try:
            self._on_events(self._parser.feed(data))
        except ProtocolError:
            self.finish(Result(NETWORK, garbled=True))

    def on_end(self) -> None:
        assert self._parser is not None
        with contextlib.suppress(ProtocolError):
            self._on_events(self._parser.eof())
        self.finish(Result(NETWORK))

    def _on_events(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, ResponseHead) and not event.interim:
                self._head = event
            elif isinstance(event, Data):
                self._keep(event.data)
            elif isinstance(event, End) and self._head is not None:
                head = self._head
                self.finish(
                    self._question.judge(head.status, head.headers, self._body, self._verify), close=not head.keep_alive
                )

    def _keep(self, data: bytes) -> None:
        room = self._question.room()
        self._body += data if room is None else data[: max(0, room - len(self._body))]
