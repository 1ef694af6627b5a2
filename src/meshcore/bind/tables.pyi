from collections.abc import Sequence

from meshcore.bind.spec import Listener, TlsContext
from meshcore.bind.stats import StatsRegistry
from meshcore.bind.tls_slot import OldContext

class ListenerTable:
    @property
    def owned(self) -> list[str]: ...
    def __init__(
        self,
        spec: Listener,
        index: int,
        registry: StatsRegistry,
        cluster_index: dict[str, int],
        files: dict[str, int],
        node: tuple[str, str],
        stat_name: str,
        kept: Sequence[int | None] = (),
    ) -> None: ...
    def swap_tls(self, chain: int, spec: TlsContext, registry: StatsRegistry) -> OldContext: ...
    def in_use(self) -> bool: ...
    def set_port(self, port: int) -> None: ...
