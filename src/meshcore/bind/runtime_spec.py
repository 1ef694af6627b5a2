"""The part of the plan (spec.py) that may change while the proxy runs: layers of runtime keys, and fractions that a key may replace.

Immutable values. Lowered by `mesh.config.runtime`, compiled to cells by `meshcore.bind.runtime`; spec.py passes the names on.
"""

from __future__ import annotations

from meshcore.bind.record import record


@record
class RuntimeFraction:
    """RuntimeFractionalPercent: `key` may say another fraction while the proxy runs ("" = none does)."""

    numerator: int
    denominator: int = 100  # 100 | 10_000 | 1_000_000
    key: str = ""


@record
class RuntimeValue:
    """What a runtime key says: `text` as an operator wrote it, and what it can be read as (None: not as that).

    `fraction` is (numerator, denominator), `integer` is not negative."""

    text: str
    integer: int | None = None
    number: float | None = None
    boolean: bool | None = None
    fraction: tuple[int, int] | None = None


@record
class RuntimeLayer:
    """RuntimeLayer: `kind` static (its `values`) | disk (`folder`, and whether it is named after the service cluster) | admin.
    `watched`: the link of a disk layer; it is read again when another one is moved onto it."""

    name: str
    kind: str
    values: tuple[tuple[str, RuntimeValue], ...] = ()
    folder: str = ""
    of_service_cluster: bool = False
    watched: str = ""
