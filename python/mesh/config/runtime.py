"""Layered runtime (envoy.config.bootstrap.v3.LayeredRuntime) and the messages that name a runtime key.

A layer's struct is flattened as Envoy flattens it: `a: {b: 5}` is the key `a.b`, and a struct that is empty or holds `numerator` or
`denominator` is one value, a fraction. `parse` reads a value as an operator writes it, in a file or to the admin page. Layers that come
from a control plane (rtds_layer) are refused. Called by bootstrap.py, by whatever lowers a fraction, and by mesh.runtime.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mesh.config import yaml_tree
from mesh.config.errors import ConfigError, join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering
from meshcore.bind import spec
from meshcore.bind.record import replace

LAYERED = Fields("envoy.config.bootstrap.v3.LayeredRuntime", {"layers"})
LAYER = Fields("envoy.config.bootstrap.v3.RuntimeLayer", {"name", "static_layer", "disk_layer", "admin_layer"})
DISK = Fields(
    "envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer", {"symlink_root", "subdirectory", "append_service_cluster"}
)
DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}
WHOLES = tuple(DENOMINATORS.values())
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
UINT64_MAX = 2**64 - 1
UINT32_MAX = 2**32 - 1


def lower_fraction(message: Any, low: Lowering, path: str) -> spec.RuntimeFraction:
    """A RuntimeFractionalPercent."""
    return lower_percent(message.default_value, low, join(path, "default_value"), message.runtime_key)


def lower_percent(message: Any, low: Lowering, path: str, key: str = "") -> spec.RuntimeFraction:
    """A FractionalPercent; `key`: the runtime key that may say another one."""
    if message.denominator >= len(WHOLES):
        low.refuse(join(path, "denominator"), f"one of {', '.join(DENOMINATORS)} is accepted")
        return spec.RuntimeFraction(100)
    return spec.RuntimeFraction(message.numerator, WHOLES[message.denominator], key)


def lower_layers(message: Any, low: Lowering, path: str) -> tuple[spec.RuntimeLayer, ...]:
    """The layers of a LayeredRuntime, the first one below all others."""
    LAYERED.check(message, low.report, path)
    found: dict[str, spec.RuntimeLayer] = {}
    admins = 0
    for index, layer in enumerate(message.layers):
        at = f"{join(path, 'layers')}[{index}]"
        LAYER.check(layer, low.report, at)
        admins += layer.HasField("admin_layer")
        if layer.name in found:
            low.refuse(join(at, "name"), f"'{layer.name}' is the name of an earlier layer; names are unique")
        if layer.HasField("admin_layer") and admins > 1:
            low.refuse(at, "there is an admin layer already; there may be one")
        found[layer.name] = _layer(layer, low, at)
    return tuple(found.values())


def _layer(layer: Any, low: Lowering, path: str) -> spec.RuntimeLayer:
    which = layer.WhichOneof("layer_specifier")
    if which == "static_layer":
        return spec.RuntimeLayer(layer.name, "static", tuple(_flat(layer.static_layer, low, join(path, which), "")))
    if which == "disk_layer":
        disk = layer.disk_layer
        DISK.check(disk, low.report, join(path, which))
        folder = "/".join(part.rstrip("/") for part in (disk.symlink_root, disk.subdirectory) if part)
        watched = disk.symlink_root.rstrip("/")
        return spec.RuntimeLayer(layer.name, "disk", folder=folder, of_service_cluster=disk.append_service_cluster, watched=watched)
    return spec.RuntimeLayer(layer.name, "admin")


def _flat(struct: Any, low: Lowering, path: str, prefix: str) -> Iterator[tuple[str, spec.RuntimeValue]]:
    for name in sorted(struct.fields):
        value, key = struct.fields[name], prefix + name
        which = value.WhichOneof("kind")
        if which == "struct_value":
            inner = value.struct_value.fields
            if inner and not {"numerator", "denominator"} & inner.keys():
                yield from _flat(value.struct_value, low, join(path, name), key + ".")
                continue
            yield key, _of_struct({word: _plain(inner[word]) for word in inner})
        elif which == "number_value":
            yield key, _of_number(value.number_value, f"{value.number_value:g}")
        elif which == "bool_value":
            yield key, spec.RuntimeValue(str(value.bool_value).lower(), boolean=value.bool_value)
        elif which == "string_value":
            # As Envoy: a text in a struct may be a number or a truth value, but no fraction.
            yield key, replace(parse(value.string_value), fraction=None)
        else:
            low.refuse(join(path, name), "a runtime value is a number, a text, true, false or a fraction")


def _plain(value: Any) -> Any:
    """A number, text or truth value; None for anything else."""
    which = value.WhichOneof("kind")
    return getattr(value, which) if which in ("number_value", "string_value", "bool_value") else None


def parse(text: str) -> spec.RuntimeValue:
    """A value in the YAML that operators write: a number, true or false, `numerator: 5`, else a text."""
    try:
        found = yaml_tree.parse(text, "runtime")
    except ConfigError:
        found = text
    if isinstance(found, bool):
        return spec.RuntimeValue(text, boolean=found)
    if isinstance(found, int):
        return _of_number(float(found), text)
    if isinstance(found, dict):
        return _of_struct(found, text)
    if isinstance(found, str) and NUMBER.fullmatch(found):
        return _of_number(float(found), text)
    return spec.RuntimeValue(text)


def _of_number(value: float, text: str) -> spec.RuntimeValue:
    # As Envoy: 2.5 is also the integer 2.
    return spec.RuntimeValue(text, integer=int(value) if 0 <= value <= UINT64_MAX else None, number=value)


def _of_struct(fields: dict[str, Any], text: str = "") -> spec.RuntimeValue:
    numerator, denominator = fields.get("numerator", 0), fields.get("denominator", "HUNDRED")
    number = isinstance(numerator, int | float) and 0 <= numerator <= UINT32_MAX
    shown = text or f"numerator: {f'{numerator:g}' if number else numerator}\ndenominator: {denominator}"
    if not number or not isinstance(denominator, str) or denominator not in DENOMINATORS:
        return spec.RuntimeValue(shown)
    if fields.keys() - {"numerator", "denominator"}:
        return spec.RuntimeValue(shown)
    return spec.RuntimeValue(shown, fraction=(int(numerator), DENOMINATORS[denominator]))
