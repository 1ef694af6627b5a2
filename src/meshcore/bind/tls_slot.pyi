from typing import Any

from meshcore.bind.stats import StatsRegistry

class OldContext: ...

def name_expiries(registry: StatsRegistry, prefix: str, spec: Any, owned: list[str]) -> None: ...
