STATES: dict[str, int]
EVENTS: dict[str, int]
ACTS: dict[str, int]
REASONS_BY_NAME: dict[str, int]

def happens(state: str, event: str) -> tuple[str, frozenset[str]] | None: ...
def local_text(reason: str, subject: bytes) -> tuple[int, bytes]: ...
