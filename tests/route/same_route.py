"""Asserts that Envoy and the compiled table serve the same requests by the same routes; for the tests against Envoy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meshcore.bind.route_face import RouteTableFace
from meshcore.bind.spec import DirectResponse, Forward, Route, RouteMatch, RouteTable, VirtualHost
from tests.route.real_envoy import ask_envoy, request

Asked = tuple[str, str, list[tuple[str, str]], str]  # authority, path, headers, method


def words(text: str) -> list[str]:
    return text.split()


def one_host(matches: list[RouteMatch], **table: Any) -> RouteTable:
    """A table with one virtual host for every authority."""
    return RouteTable("t", (VirtualHost("v", ("*",), tuple(Route(m, Forward("unused")) for m in matches)),), **table)


def assert_same_routes(
    table: RouteTable, asked: list[Asked], directory: Path, hcm: dict[str, Any] | None = None
) -> None:
    """Every difference is reported, not the first alone. A route that answers directly is told by its status."""
    answers = ask_envoy(table, [request(*one) for one in asked], directory, answer_index=True, hcm=hcm)
    face = RouteTableFace(table)
    by_name = {host.name: host for host in table.virtual_hosts}
    wrong = []
    for one, answer in zip(asked, answers, strict=True):
        authority, path, headers, method = one
        # The target of CONNECT is an authority: such a request has no path.
        found = face.find(authority, "" if method == "CONNECT" else path, headers, method)
        ours = None if found is None else f"{found.virtual_host}/{found.index}"
        # Envoy turns a direct response to a gRPC request into trailers.
        theirs = None if answer.status == 404 else answer.first("grpc-message") or answer.body or str(answer.status)
        if found is not None:
            action = by_name[found.virtual_host].routes[found.index].action
            ours = str(action.status) if isinstance(action, DirectResponse) else ours
        if ours != theirs:
            wrong.append((*one, "ours", ours, "envoy", theirs, answer.status))
    assert not wrong, "\n".join(map(str, wrong))
    assert any(answer.status != 404 for answer in answers)
