"""Writes docs/fields.md, the page that says which fields and extensions of Envoy's configuration work: `python docs/fields.py`.

Reads the tables by which a configuration is refused (`mesh.config.fields`), so the page says what the program does. Judges nothing and
loads no configuration. Called by `make docs`; `tests/docs/test_fields.py` sees to it that the page never promises what is refused.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor import FieldDescriptor

import mesh.config
from mesh.config import newer, schema
from mesh.config.fields import TABLES

PAGE = Path(__file__).resolve().parent / "fields.md"
HEAD = """# Which fields work

Written by `make docs` from the tables by which a configuration is refused; not by hand. Of the {messages} messages of Envoy 1.40's API
here, {whole} work whole; of their {fields} fields {refused} are refused ({deprecated} of which Envoy calls deprecated). A message that is
not here is refused, but for plain values (ranges, percentages, times), which work wherever their field does.
`python -m mesh validate FILE` says the same of one file, with path and line.

## Extensions

What `typed_config`, `typed_extension_protocol_options` and their like may hold.
"""
MESSAGES = """
## Messages

*Refused* fields end the loading with their full path. *Only where it does nothing* are accepted with a value under which Envoy would do
nothing else either. Fields in brackets are deprecated in Envoy. All others of the message work.
"""


@dataclass(frozen=True)
class Row:
    """One message: its full name, and the names of its fields by what becomes of them."""

    message: str
    fields: tuple[str, ...]
    refused: tuple[str, ...]
    idle: tuple[str, ...]
    deprecated: frozenset[str]

    def named(self, names: tuple[str, ...]) -> str:
        return ", ".join(f"[`{name}`]" if name in self.deprecated else f"`{name}`" for name in names) or "-"


def rows() -> list[Row]:
    """Every message that has a table, in the order of names."""
    for module in pkgutil.iter_modules(mesh.config.__path__):
        importlib.import_module(f"mesh.config.{module.name}")
    # A name with a mark is a message at a place where fewer of its fields count; the row of the whole message stands for it.
    return [_row(name) for name in sorted(TABLES) if "#" not in name]


def _row(name: str) -> Row:
    table, kind = TABLES[name], schema.message_class(name)
    assert kind is not None, name
    fields: list[FieldDescriptor] = sorted(kind.DESCRIPTOR.fields, key=lambda field: field.number)
    names = tuple(field.name for field in fields)
    works = table.handled | table.described
    return Row(
        name,
        names,
        tuple(one for one in names if one not in works and one not in table.harmless),
        tuple(one for one in names if one not in works and one in table.harmless),
        frozenset(field.name for field in fields if field.GetOptions().deprecated),
    )


def extensions() -> dict[str, list[str]]:
    """Messages that an Any may hold, by the folder of Envoy's API in which they lie."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(newer.IMPLEMENTED_TYPES):
        package, _, message = name.partition(".v3.")
        parent, _, own = package.rpartition(".")
        if parent.startswith("envoy.extensions"):
            found[parent.removeprefix("envoy.extensions").lstrip(".")].append(f"`{own}.v3.{message}`")
    return dict(sorted(found.items()))


def page() -> str:
    """The whole page."""
    return "\n".join(_lines(rows())) + "\n"


def _lines(table: list[Row]) -> Iterator[str]:
    refused = [name for row in table for name in row.refused]
    yield HEAD.format(
        messages=len(table),
        whole=sum(not row.refused and not row.idle for row in table),
        fields=f"{sum(len(row.fields) for row in table):,}",
        refused=len(refused),
        deprecated=sum(name in row.deprecated for row in table for name in row.refused),
    )
    yield from ("| `envoy.extensions.…` | messages |", "|---|---|")
    yield from (f"| `{folder}` | {', '.join(names)} |" for folder, names in extensions().items())
    yield MESSAGES
    yield from ("| message | refused | only where it does nothing |", "|---|---|---|")
    yield from (f"| `{row.message}` | {row.named(row.refused)} | {row.named(row.idle)} |" for row in table if row.refused or row.idle)
    yield "\nEvery field works of:\n"
    whole: dict[str, list[str]] = defaultdict(list)
    for row in table:
        if not row.refused and not row.idle:
            package, _, message = row.message.partition(".v3.")
            whole[package].append(f"`{message}`")
    yield from (f"- `{package}.v3`: {', '.join(names)}" for package, names in sorted(whole.items()))
    taken = [f"`{schema.short_name(message)}.{field}`" for message, field in sorted(newer.TAKEN)]
    yield f"\nFields of Envoy 1.40 that the generated API package does not carry are refused too, but for {', '.join(taken)}."


if __name__ == "__main__":
    PAGE.write_text(page())
