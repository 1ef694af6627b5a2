"""Reads the case files: small YAML data in, checked `Case` objects out.

Owns the vocabulary of a case (README.md explains every key) and refuses a key it does not know, by file, case and name.
Must not touch the network or build configuration. Called once per run, before any loop exists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from tests.differential import tls_fields

CASES = Path(__file__).parent / "cases"
ASPECTS = ("status", "headers", "body", "framing", "close", "upstream", "log", "stats", "tls")
CLIENT_STEPS = {
    "send",
    "raw",
    "expect",
    "half_close",
    "stay",
    "close",
    "reset",
    "signal",
    "wait",
    "stop_reading",
    "resume_reading",
    "delay_ms",
    "goaway",
}
UPSTREAM_STEPS = {
    "send",
    "raw",
    "read",
    "half_close",
    "close",
    "reset",
    "signal",
    "wait",
    "serve",
    "stop_reading",
    "resume_reading",
    "delay_ms",
    "goaway",
}
UPSTREAM_KEYS = {"respond", "steps", "connections", "refuse", "blackhole"}

Steps = list[dict[str, Any]]


class CaseError(Exception):
    """A case file says something that cannot be played."""


@dataclass
class Upstream:
    """What one upstream host does: per connection either steps, or an answer to every request."""

    connections: list[Steps] = field(default_factory=list)
    refuse: bool = False
    blackhole: bool = False


@dataclass
class Case:
    name: str
    subject: str
    why: str = ""
    # configuration
    hcm: dict[str, Any] = field(default_factory=dict)
    router: dict[str, Any] = field(default_factory=dict)
    filters: dict[str, dict[str, Any]] = field(default_factory=dict)
    listener: dict[str, Any] = field(default_factory=dict)
    chains: list[dict[str, Any]] = field(default_factory=list)
    route_config: dict[str, Any] = field(default_factory=dict)
    virtual_hosts: list[dict[str, Any]] | None = None
    vhost: dict[str, Any] = field(default_factory=dict)
    routes: list[dict[str, Any]] | None = None
    route: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] = field(default_factory=dict)
    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    hosts: dict[str, list[Any]] = field(default_factory=dict)
    upstream_http: dict[str, Any] = field(default_factory=dict)
    runtime: dict[str, Any] = field(default_factory=dict)
    log: dict[str, Any] = field(default_factory=dict)
    # scripts
    http2: str = ""  # who speaks it: client | upstream | both
    tls: dict[str, Any] = field(default_factory=dict)  # tls_fields.py
    clients: list[Steps] = field(default_factory=list)
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    # what is waited for and compared
    methods: list[str] = field(default_factory=list)
    responses: int = 1
    linger_ms: int = 250
    limit_ms: int = 6000
    tunnel: bool = True
    status: list[int] | None = None
    counters: list[str] = field(default_factory=list)
    exclude: dict[str, str] = field(default_factory=dict)


_SHORTHANDS = {"send", "sequence", "client", "upstream"}
_KEYS = {spec.name for spec in fields(Case)} - {"subject"} | _SHORTHANDS


def load_cases(folder: Path = CASES) -> list[Case]:
    """All cases of all files, in the order of file names; names are unique over all files."""
    cases: list[Case] = []
    seen: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        for number, raw in enumerate(yaml.safe_load(path.read_text()) or []):
            try:
                case = parse_case(raw, path.stem)
            except CaseError as error:
                raise CaseError(f"{path.name}: case {number} ({raw.get('name', 'no name')}): {error}") from None
            if case.name in seen:
                raise CaseError(f"{path.name}: case {case.name} stands already in {seen[case.name]}")
            seen[case.name] = path.name
            cases.append(case)
    return cases


def speaks_http2(case: Case, side: str) -> bool:
    """`side`: client or upstream."""
    return case.http2 in (side, "both")


def select(cases: list[Case], patterns: list[str], subjects: list[str] | None = None) -> list[Case]:
    """Cases whose name matches one of the patterns (all, without patterns), of these subjects (all, without)."""
    chosen = [
        case
        for case in cases
        if (not patterns or any(fnmatchcase(case.name, pattern) for pattern in patterns))
        and (not subjects or case.subject in subjects)
    ]
    if not chosen:
        raise CaseError(f"no case is called {' or '.join(patterns) or ' or '.join(subjects or [])}")
    return chosen


def parse_case(raw: dict[str, Any], subject: str) -> Case:
    _refuse_unknown(raw, _KEYS, "key")
    values = {key: value for key, value in raw.items() if key not in _SHORTHANDS | {"clients", "upstreams"}}
    name = values.get("name", "")
    if not name.replace("_", "").isalnum() or name != name.lower():
        raise CaseError("a name consists of lower-case letters, digits and _")
    if isinstance(values.get("status"), int):
        values["status"] = [values["status"]]
    if isinstance(values.get("methods"), str):
        values["methods"] = [values["methods"]]
    for aspect, reason in (values.get("exclude") or {}).items():
        if aspect not in ASPECTS or not reason:
            raise CaseError(f"exclude: {aspect}: one of {', '.join(ASPECTS)}, with a reason")
    if "sequence" in raw:
        values.setdefault("responses", len(raw["sequence"]))
    case = Case(subject=subject, **values)
    if case.http2 not in ("", "client", "upstream", "both"):
        raise CaseError(f"http2: {case.http2!r}: client, upstream or both")
    if wrong := tls_fields.check(case.tls):
        raise CaseError(wrong)
    case.clients = _clients(raw)
    case.upstreams = _upstreams(raw)
    case.methods = case.methods or sent_methods(case.clients)
    return case


def _clients(raw: dict[str, Any]) -> list[Steps]:
    given = [key for key in _SCRIPTS if key in raw]
    if len(given) != 1:
        raise CaseError(f"exactly one of {', '.join(_SCRIPTS)} is needed, not {given}")
    clients = _SCRIPTS[given[0]](raw[given[0]])
    return [[_step(step, CLIENT_STEPS) for step in steps] for steps in clients]


def _sequence(messages: list[str]) -> list[Steps]:
    """One request after the other, each when the answer to the one before is complete."""
    return [[step for text in messages for step in ({"send": text}, {"expect": "response"})]]


_SCRIPTS: dict[str, Callable[[Any], list[Steps]]] = {
    "send": lambda texts: [[{"send": texts}]],
    "sequence": _sequence,
    "client": lambda steps: [steps],
    "clients": lambda each: each,
}


def sent_methods(clients: list[Steps]) -> list[str]:
    """The first word of every message that the clients send; a guess that `methods:` overrides."""
    methods: list[str] = []
    for steps in clients:
        for step in steps:
            texts = step.get("send", [])
            methods += [text.lstrip().split(" ", 1)[0] for text in ([texts] if isinstance(texts, str) else texts)]
    if not methods:
        methods = [str(step["raw"]).split(" ", 1)[0] for steps in clients for step in steps if "raw" in step][:1]
    return methods or ["GET"]


def _upstreams(raw: dict[str, Any]) -> dict[str, Upstream]:
    scripts = dict(raw.get("upstreams") or {})
    if "upstream" in raw or not scripts:
        scripts["up"] = raw.get("upstream")
    return {name: _upstream(script) for name, script in scripts.items()}


def _upstream(script: Any) -> Upstream:
    if script is None:
        return Upstream([[{"serve": None}]])
    if isinstance(script, (str, int)):
        return Upstream([[{"serve": [script]}]])
    if isinstance(script, list):
        return Upstream([_upstream_steps(script)])
    _refuse_unknown(script, UPSTREAM_KEYS, "upstream key")
    if "connections" in script:
        return Upstream([_upstream(part).connections[0] for part in script["connections"]])
    if "steps" in script:
        return Upstream([_upstream_steps(script["steps"])])
    answers = script.get("respond")
    answers = answers if isinstance(answers, list) or answers is None else [answers]
    return Upstream([[{"serve": answers}]], bool(script.get("refuse")), bool(script.get("blackhole")))


def _upstream_steps(steps: list[Any]) -> Steps:
    return [_step(step, UPSTREAM_STEPS) for step in steps]


def _step(step: Any, known: set[str]) -> dict[str, Any]:
    made = {step: None} if isinstance(step, str) else step
    if not isinstance(made, dict) or len(made) != 1:
        raise CaseError(f"a step is one word or one key with a value, not {step!r}")
    _refuse_unknown(made, known, "step")
    return made


def _refuse_unknown(given: dict[str, Any], known: set[str], what: str) -> None:
    for key in given:
        if key not in known:
            raise CaseError(f"unknown {what} {key!r}; known: {', '.join(sorted(known))}")
