from collections.abc import Sequence

from meshcore.bind.spec import Address, FilterChain

class Chains:
    @property
    def questions(self) -> int: ...
    def __init__(self, chains: Sequence[FilterChain]) -> None: ...
    def find(
        self, local: Address, remote: Address, direct: Address, server_name: bytes, transport: bytes, protocols: Sequence[bytes]
    ) -> int | None: ...
