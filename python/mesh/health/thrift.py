"""Thrift checks: a call without arguments; any reply that is not an exception is success. See probe.py.

The codec is the engine's. Of the answer its type and its first field are looked at: field 0 (or none, for a method that returns nothing) is
a result, another one is an exception of the method's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mesh.codec import thrift
from mesh.health.probe import Probe, Target
from mesh.health.state import ACTIVE, NETWORK, Result
from meshcore.bind.health_spec import ThriftCheck

FRAME_MAX = 1 << 20


class ThriftProbe(Probe):
    def __init__(self, check: ThriftCheck, target: Target, reuse: bool, done: Callable[[Result], None]) -> None:
        super().__init__(target, reuse, done)
        self._way: Any = {"transport": check.transport, "protocol": check.protocol}
        self._call = thrift.encode(thrift.Message(check.method_name, "call", 0, {}), **self._way)
        self._decoder = thrift.Decoder()

    def on_ready(self) -> None:
        self._decoder = thrift.Decoder(**self._way, max_frame_bytes=FRAME_MAX)
        self.write(self._call)

    def on_bytes(self, data: bytes) -> None:
        try:
            answers = self._decoder.feed(data)
        except thrift.DecodeError:
            self.finish(Result(NETWORK))
            return
        if answers:
            self.finish(Result() if is_good(answers[0]) else Result(ACTIVE))


def is_good(answer: thrift.Message) -> bool:
    return answer.type == "reply" and next(iter(answer.fields), 0) == 0
