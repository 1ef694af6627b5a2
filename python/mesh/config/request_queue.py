"""The request queue of a cluster, an extension of mesh: requests above max_requests wait for a while instead of failing at once.

It stands in `typed_extension_protocol_options` under `mesh.extensions.request_queue`, as an xds.type.v3.TypedStruct whose `type_url` is
`mesh.extensions.RequestQueue`. Called by cluster.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join, nearest
from mesh.config.lowering import Lowering
from mesh.config.render import to_tree
from mesh.config.scalars import Unfit, duration
from meshcore.bind import spec

KEY = "mesh.extensions.request_queue"
TYPE = "mesh.extensions.RequestQueue"
STRUCTS = {"xds.type.v3.TypedStruct": None, "udpa.type.v1.TypedStruct": None}
TIMES = {"deadline": "deadline_ms", "target": "target_ms", "interval": "interval_ms"}
ORDERS = {"FIFO": False, "ADAPTIVE_LIFO": True}
FIELDS = (*TIMES, "max_waiting", "order")


def lower(options: Any, low: Lowering, path: str) -> spec.RequestQueue | None:
    """None when the cluster has no queue."""
    if KEY not in options:
        return None
    at = f'{path}["{KEY}"]'
    message, _ = low.unpack(options[KEY], at, STRUCTS, "a request queue")
    if message is None:
        return None
    if message.type_url.rpartition("/")[2] != TYPE:
        low.refuse(join(at, "type_url"), f"'{message.type_url}'; {TYPE} is accepted")
        return None
    return _queue(to_tree(message.value), low, join(at, "value"))


def _queue(tree: dict[str, Any], low: Lowering, path: str) -> spec.RequestQueue:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        at = join(path, name)
        if name in TIMES:
            found[TIMES[name]] = _milliseconds(value, low, at)
        elif name == "max_waiting" and isinstance(value, int | float) and 1 <= value < 2**31:
            found["max_waiting"] = int(value)
        elif name == "order" and value in ORDERS:
            found["adaptive"] = ORDERS[value]
        elif name in FIELDS:
            low.refuse(at, f"{value!r}; {'one of ' + ', '.join(ORDERS) if name == 'order' else 'a number from 1 on'} is accepted")
        else:
            low.refuse(at, f"a request queue has no field '{name}'; {', '.join(FIELDS)}{nearest(name, FIELDS)}")
    return spec.RequestQueue(**found)


def _milliseconds(value: Any, low: Lowering, path: str) -> int:
    try:
        seconds, nanos = duration(value)
    except Unfit as error:
        low.refuse(path, str(error))
        return 1
    found = seconds * 1000 + nanos // 1_000_000
    if found < 1:
        low.refuse(path, f"{value}; at least 0.001s is accepted")
    return max(1, found)
