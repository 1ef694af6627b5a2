from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from meshcore.bind.spec import RouteTable, RuntimeValue

Headers = Iterable[tuple[str | bytes, str | bytes]]

class Found(NamedTuple):
    virtual_host: str
    index: int
    name: str
    cluster: str

class Retry(NamedTuple):
    on: int
    num_retries: int
    status_codes: tuple[int, ...]

def live_tables() -> int: ...

class RouteTableFace:
    def __init__(self, spec: RouteTable, runtime: dict[str, RuntimeValue] | None = None) -> None: ...
    def host(self, authority: str | None) -> str | None: ...
    def find(
        self,
        authority: str | None,
        path: str,
        headers: Headers = (),
        method: str = "GET",
        random: int = 0,
        scheme: str = "http",
        stream: dict[str, Any] | None = None,
    ) -> Found | None: ...
    def rewrite(self, authority: str | None, path: str, headers: Headers = (), method: str = "GET") -> str | None: ...
    def location(
        self,
        authority: str | None,
        path: str,
        headers: Headers = (),
        method: str = "GET",
        scheme: str = "http",
        tls: bool = False,
    ) -> str | None: ...
    def mutate_request(
        self, authority: str | None, path: str, headers: Headers = (), method: str = "GET", random: int = 0
    ) -> list[tuple[str, str]] | None: ...
    def mutate_response(
        self,
        authority: str | None,
        path: str,
        response: Headers,
        status: int = 200,
        headers: Headers = (),
        random: int = 0,
    ) -> list[tuple[str, str]] | None: ...
    def retry(self, authority: str | None, path: str) -> Retry | None: ...
    def find_many(self, requests: Sequence[tuple[Any, ...]], rounds: int) -> tuple[int, float]: ...
