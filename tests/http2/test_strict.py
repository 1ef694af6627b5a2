"""What is wrong on the wire ends the stream or the connection with the same code as with a real Envoy, and harms nobody else.

The conversations are those of strict_cases.py; each proxy hears several at once. `DIFFERENT` names where we choose otherwise, and why: an
entry whose difference has vanished fails.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mesh.testing import bootstrap, running
from tests.http2.envoy import envoy_with
from tests.http2.frames import PREFACE, answer_of
from tests.http2.peer import Http2Client
from tests.http2.strict_cases import CASES

pytestmark = pytest.mark.slow
ROUTES = [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]
PREFACES = {"3.4_preface_with_another_word": b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "3.4_no_preface": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"}
SPACES = "RFC 9113, 8.2.1 forbids them, and a host over HTTP/1 would read another value than the one that routes have matched"
DIFFERENT = {"8.2.1_space_before_value": SPACES, "8.2.1_space_after_value": SPACES}
Answers = dict[str, str]


def config() -> dict[str, Any]:
    return bootstrap(routes=ROUTES, hcm={"codec_type": "HTTP2", "delayed_close_timeout": "0.5s"})


async def all_answers(port: int) -> Answers:
    played = {name: (case, b"", PREFACE) for name, case in CASES.items()}
    played |= {name: (b"", b"", preface) for name, preface in PREFACES.items()}
    found = await asyncio.gather(*(asyncio.to_thread(answer_of, port, *said) for said in played.values()))
    return dict(zip(played, found, strict=True))


async def answers_of_envoy(directory: Path) -> Answers:
    async with envoy_with(config(), directory) as port:
        return await all_answers(port)


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return asyncio.run(answers_of_envoy(tmp_path_factory.mktemp("envoy")))


@pytest.fixture(scope="module")
def ours() -> Answers:
    with running(config()) as proxy, Http2Client(proxy.port) as neighbour:
        assert neighbour.ask().status == 200
        found = asyncio.run(all_answers(proxy.port))
        assert neighbour.ask().status == 200
    return found


@pytest.mark.parametrize("name", [*CASES, *PREFACES])
def test_frames_are_taken_as_envoy_takes_them(name: str, ours: Answers, envoy: Answers) -> None:
    assert (ours[name] != envoy[name]) is (name in DIFFERENT), f"ours: {ours[name]}; envoy: {envoy[name]}"
