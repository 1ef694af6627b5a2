"""The HTTP/1 corpus holds what Envoy says: accepted or refused, with the same status and details, by the real thing.

A case that says `differs` must differ, so that the list of exceptions in docs/decisions/http1-strictness.md cannot outlive its
reasons. One Envoy serves the whole module.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.codec.corpus import Case, load
from tests.codec.envoy_verdicts import Verdict, ask

pytestmark = pytest.mark.slow

REQUESTS = load("request")
# Envoy never asks two things at once on one upstream connection, and a tunnel is opened by another part of it.
RESPONSES = [case for case in load("response") if len(case.methods) < 2 and "CONNECT" not in case.methods]
CODEC_DETAILS = ("http1.", "http.", "low_version")


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    return asyncio.run(ask(REQUESTS + RESPONSES, tmp_path_factory.mktemp("envoy")))


def refusals(verdict: Verdict) -> list[tuple[int, str]]:
    return [(entry["code"], entry["details"]) for entry in verdict.log if str(entry["details"]).startswith(CODEC_DETAILS)]


def expected_heads(case: Case) -> list[tuple[str, str, str]]:
    return [(head["method"], head["path"], head["authority"]) for kind, *rest in case.events if kind == "request" for head in rest]


def seen_heads(verdict: Verdict) -> list[tuple[str, str, str]]:
    return [(e["method"], e["path"] or "", e["authority"] or "") for e in verdict.log if e["method"] is not None]


def request_agrees(case: Case, verdict: Verdict) -> bool:
    expected = [(case.error["status"], case.error["details"])] if case.error else []
    if refusals(verdict) != expected:
        return False
    heads = seen_heads(verdict)
    return heads == [tuple(head) for head in with_default_host(case, expected_heads(case))][: len(heads)]


def with_default_host(case: Case, heads: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    if not case.options.get("accept_http_10"):
        return heads
    return [(method, path, authority or "default") for method, path, authority in heads]


def response_agrees(case: Case, verdict: Verdict) -> bool:
    details = verdict.log[-1]["details"] if verdict.log else None
    complete = ["end"] in case.events or any(head["framing"] == "raw" for head in response_heads(case))
    if case.error and not complete:
        return "protocol_error" in str(details)
    final = [head["status"] for head in response_heads(case) if not 100 < head["status"] < 200 or head["status"] == 101]
    final = [status for status in final if status != 100]
    body = "".join(rest[0] for kind, *rest in case.events if kind == "data")
    return verdict.statuses == final[:1] and (verdict.body == body or final[0] == 101)


def response_heads(case: Case) -> list[dict[str, Any]]:
    return [rest[0] for kind, *rest in case.events if kind == "response"]


@pytest.mark.parametrize("case", REQUESTS, ids=str)
def test_request_is_judged_as_by_envoy(case: Case, verdicts: dict[str, Verdict]) -> None:
    assert request_agrees(case, verdicts[case.name]) == (not case.differs), (verdicts[case.name], case.error, case.differs)


@pytest.mark.parametrize("case", RESPONSES, ids=str)
def test_response_is_judged_as_by_envoy(case: Case, verdicts: dict[str, Verdict]) -> None:
    assert response_agrees(case, verdicts[case.name]) == (not case.differs), (verdicts[case.name], case.error, case.differs)
