"""Reduces a recording to what has to be the same on both proxies, one value per aspect.

Every rule takes out one thing that may differ between two correct runs of the same proxy (time, identifiers,
ports), and keeps its shape, so that a malformed one still shows. A value that the case itself sent is never
touched. Must not know which proxy it looks at. `--self` is the proof that the rules are enough. Pure functions,
called after the run.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from typing import Any

from tests.differential.case import Case
from tests.differential.counters import compared_counters
from tests.differential.messages import Message, Transcript, read_requests, read_responses
from tests.differential.observation import Observation, Side

# Between an immediate close and one after delayed_close_timeout (1 s unless a case changes it).
DELAYED_S = 0.6

_DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT"
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[89ab0-9a-f][0-9a-f]{3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# Duration and upstream service time in the default text format, after the two byte counts.
_DEFAULT_TIMES = re.compile(r"^(\[<time>\] \".*?\" \d+ \S+ \d+ \d+) (\d+|-) (\d+|-) ")
_ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")
_ENCODED = re.compile(r"(?:[A-Za-z0-9+/]{4}){4,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class Normaliser:
    """The rules for one case of one run: it knows the ports and the bytes that the case sent itself."""

    def __init__(self, case: Case, seen: Observation) -> None:
        self._case = case
        self._seen = seen
        self._given = seen.given.decode("latin-1")
        self._given_lower = self._given.lower()
        self._ports = {seen.ports.listener: "listener"} | {port: name for name, port in seen.ports.upstreams.items()}

    def aspects(self) -> dict[str, Any]:
        clients = [self._responses(index, side) for index, side in enumerate(self._seen.clients)]
        return {
            "status": [[message.start_line for message in client.messages] for client in clients],
            "headers": [[self._headers(message) for message in client.messages] for client in clients],
            "body": [
                [self._text(_unpacked(message).decode("latin-1")) for message in client.messages] + self._rest(client)
                for client in clients
            ],
            "framing": [[_framing(message) for message in client.messages] for client in clients],
            "close": [self._close(side) for side in self._seen.clients]
            + ([f"unmet: {self._seen.unmet}"] if self._seen.unmet else []),
            "upstream": {
                name: [self._upstream(side) for side in sides] for name, sides in self._seen.upstreams.items()
            },
            "log": self._log(),
            "tls": [side.settled for side in self._seen.clients]
            + [side.settled for sides in self._seen.upstreams.values() for side in sides],
            "stats": compared_counters(self._case, self._seen.stats),
        }

    def _responses(self, index: int, side: Side) -> Transcript:
        methods = self._case.methods
        if len(self._case.clients) > 1 and len(methods) >= len(self._case.clients):
            methods = methods[index:]
        return read_responses(side.received, methods, side.end != "open" or side.closed_by_us)

    def _rest(self, transcript: Transcript) -> list[str]:
        return [f"unreadable: {transcript.rest.decode('latin-1')}"] if transcript.rest else []

    def _headers(self, message: Message) -> dict[str, Any]:
        fields = _multimap((name, self._value(name.lower(), value)) for name, value in message.headers)
        if message.trailers:
            fields["(trailers)"] = _multimap(
                (name, self._value(name.lower(), value)) for name, value in message.trailers
            )
        return fields

    def _value(self, name: str, value: str) -> str:
        if f"\n{name}: {value}\r".lower() in self._given_lower:
            return self._text(value)
        if name == "date" and _DATE.fullmatch(value):
            return "<date>"
        if name == "x-envoy-upstream-service-time" and value.isdigit():
            return "<ms>"
        if name == "x-envoy-expected-rq-timeout-ms" and value.isdigit() and int(value) >= 1000:
            # On a retry this is what remains of the route timeout.
            return str(-(-int(value) // 500) * 500)
        return self._text(value)

    def _text(self, text: str) -> str:
        text = _UUID.sub(lambda found: found[0] if found[0] in self._given else f"<uuid {found[1]}>", text)
        text = _ENCODED.sub(lambda found: self._encoded(found[0]), text)
        return _ADDRESS.sub(lambda found: f"127.0.0.1:<{self._ports.get(int(found[1]), 'ephemeral')}>", text)

    def _encoded(self, text: str) -> str:
        """An address that stands in Base64, as stateful sessions write it; what else is Base64 stays."""
        inside = base64.b64decode(text)
        return f"<base64 of {self._text(repr(inside))}>" if _ADDRESS.search(inside.decode("latin-1")) else text

    def line(self, text: str) -> str:
        """A line of a transcript without what may differ; only to pair lines for the eye."""
        text = _DATE.sub("<date>", self._text(text))
        return _TIME.sub("<time>", re.sub(r"(x-envoy-upstream-service-time: )\d+", r"\1<ms>", text))

    def _close(self, side: Side) -> str:
        said = "".join(f"goaway {code}, " for code in side.goaways)
        return said + self._ended(side)

    def _ended(self, side: Side) -> str:
        if side.end == "open":
            return "closed by the script" if _script_closed(side) else "open"
        since = side.last_byte_at_s if side.last_byte_at_s is not None else side.events[0].at_s
        late = (side.end_at_s or 0.0) - since >= DELAYED_S
        return f"{side.end}, {'delayed' if late else 'at once'}"

    def _upstream(self, side: Side) -> dict[str, Any]:
        ended = side.end != "open"
        transcript = read_requests(side.received, ended, self._case.tunnel)
        requests = [
            {
                "line": self._text(request.start_line),
                "headers": self._headers(request),
                "framing": _framing(request),
                "body": self._text(request.body.decode("latin-1")),
            }
            for request in transcript.messages
        ]
        # Whether a proxy's close arrives as FIN or RST depends on what lay unread in its receive buffer.
        closed = (
            "closed by the script" if side.closed_by_us and not ended else "closed by the proxy" if ended else "open"
        )
        seen = {"requests": requests, "rest": transcript.rest.decode("latin-1"), "end": closed}
        return {**seen, "goaways": side.goaways} if side.goaways else seen

    def _log(self) -> list[Any] | str:
        if self._seen.log is None:
            return "no access log: refused"
        lines = self._seen.log.splitlines()
        if "text" in self._case.log or self._case.log.get("default_format"):
            cleaned = [_TIME.sub("<time>", self._text(line)) for line in lines]
            return (
                [_DEFAULT_TIMES.sub(r"\1 <ms> <ms> ", line) for line in cleaned]
                if self._case.log.get("default_format")
                else cleaned
            )
        return [self._log_line(line) for line in lines]

    def _log_line(self, line: str) -> Any:
        try:
            entry = json.loads(line)
        except ValueError:
            return f"not JSON: {line}"
        return (
            {name: self.log_value(name, value) for name, value in entry.items()} if isinstance(entry, dict) else entry
        )

    def log_value(self, name: str, value: Any) -> Any:
        if name.endswith("duration") and isinstance(value, int):
            return "<ms>"
        if name.endswith("tls_session_id") and isinstance(value, str):
            return f"<{len(value)} hex digits>"
        if isinstance(value, str):
            return "<time>" if _TIME.fullmatch(value) else self._text(value)
        return value


def _unpacked(message: Message) -> bytes:
    """The body without gzip, whose bytes are those of one library; one that is no gzip, or is cut, stays as it came."""
    if ("content-encoding", "gzip") not in {(name.lower(), value) for name, value in message.headers}:
        return message.body
    try:
        return gzip.decompress(message.body)
    except (OSError, EOFError, zlib.error):
        return message.body


def _framing(message: Message) -> str:
    return message.framing if message.complete else f"{message.framing}, incomplete"


def _script_closed(side: Side) -> bool:
    """The client always closes in the end; only a close that the script asked for leaves no `still open` behind."""
    return side.closed_by_us and not any(event.kind in ("still open", "time ran out") for event in side.events)


def _multimap(pairs: Any) -> dict[str, Any]:
    """Header name -> values in order; names as they stood on the wire, their order among each other dropped."""
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return dict(sorted(fields.items()))
