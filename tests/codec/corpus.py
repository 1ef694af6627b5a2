"""The HTTP/1 corpus: one file of raw bytes per case in tests/corpus/http1/{accept,reject}, what must come of it in NAME.json beside it.

The JSON holds `kind` (request or response), `events` (Data joined, bytes as Latin-1 text), and where they matter `options` of the
parser, `methods` that the response parser is told, `eof`, `error`, `why` (the rule behind the case) and `differs` (why Envoy
answers otherwise). `accept_http_10` among the options concerns Envoy alone. Reads files; must not parse HTTP.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesh.codec import Data, End, Event, RequestHead, RequestParser, ResponseParser, Trailers

FOLDER = Path(__file__).parent.parent / "corpus" / "http1"


@dataclass(frozen=True)
class Case:
    name: str
    raw: bytes
    kind: str
    events: list[Any]
    error: dict[str, Any] | None
    options: dict[str, Any]
    methods: tuple[str, ...]
    eof: bool
    differs: str

    def parser(self) -> RequestParser | ResponseParser:
        options = {key: value for key, value in self.options.items() if key != "accept_http_10"}
        if self.kind == "request":
            return RequestParser(**options)
        parser = ResponseParser(**options)
        for method in self.methods:
            parser.expect(method.encode())
        return parser

    def __str__(self) -> str:
        return self.name


def load(kind: str | None = None) -> list[Case]:
    """Every case of that kind (all without), in the order of their names."""
    found = []
    for path in sorted(FOLDER.glob("*/*.json")):
        meta = json.loads(path.read_text())
        if kind is None or meta["kind"] == kind:
            case = Case(
                name=path.stem,
                raw=path.with_suffix("").read_bytes(),
                kind=meta["kind"],
                events=meta["events"],
                error=meta.get("error"),
                options=meta.get("options", {}),
                methods=tuple(meta.get("methods", ())),
                eof=meta.get("eof", False),
                differs=meta.get("differs", ""),
            )
            assert (path.parent.name == "reject") == (case.error is not None), path
            found.append(case)
    return found


def text(value: Any) -> Any:
    """Bytes as Latin-1 text, pairs as lists: what JSON can hold."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return [text(inner) for inner in value] if isinstance(value, (tuple, list)) else value


def normal(events: list[Event]) -> list[Any]:
    """Events as the corpus writes them; neighbouring Data are joined, because how a body is cut means nothing."""
    out: list[Any] = []
    for event in events:
        if isinstance(event, Data):
            if out and out[-1][0] == "data":
                out[-1][1] += text(event.data)
            else:
                out.append(["data", text(event.data)])
        elif isinstance(event, End):
            out.append(["end"])
        elif isinstance(event, Trailers):
            out.append(["trailers", text(event.headers)])
        else:
            kind = "request" if isinstance(event, RequestHead) else "response"
            out.append([kind, {key: text(value) for key, value in event._asdict().items()}])
    return out
