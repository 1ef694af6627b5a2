"""From a configured filter to a bound one: imports the class, makes the object, finds out which hooks it has.

Main thread, when a configuration is published. Errors name the filter and what was expected.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

from mesh.filters import Filter
from meshcore.bind.record import record

HOOK_REQUEST, HOOK_RESPONSE, HOOK_LOG, HOOK_REQUEST_PARKS, HOOK_RESPONSE_PARKS = 1, 2, 4, 8, 16


@record
class BoundFilter:
    """What the engine needs of a filter: the object, its hooks (HOOK_* bits) and where parked hooks run."""

    filter: Any
    hooks: int
    runner: Any = None


def bind(name: str, settings: Any, runner: Callable[[], Any]) -> BoundFilter:
    """`settings`: (class path, JSON of its config), a Filter object, or a BoundFilter. `runner` is asked only when a hook is a coroutine.

    Raises ValueError."""
    if isinstance(settings, BoundFilter):
        return settings
    from inspect import iscoroutinefunction  # with `ast` and `tokenize` half a megabyte, for those who have filters in Python

    target = settings if isinstance(settings, Filter) else _make(name, *settings)
    hooks = 0
    for method, plain, parks in (
        ("on_request", HOOK_REQUEST, HOOK_REQUEST_PARKS),
        ("on_response", HOOK_RESPONSE, HOOK_RESPONSE_PARKS),
        ("on_log", HOOK_LOG, 0),
    ):
        own = getattr(type(target), method)
        if own is getattr(Filter, method):
            continue
        hooks |= plain
        if iscoroutinefunction(own):
            if not parks:
                raise ValueError(f"HTTP filter {name!r}: {method} must not be async")
            hooks |= parks
    needs_runner = hooks & (HOOK_REQUEST_PARKS | HOOK_RESPONSE_PARKS)
    return BoundFilter(target, hooks, runner() if needs_runner else None)


def _make(name: str, path: str, config: str | None) -> Filter:
    module, _, attribute = path.replace(":", ".").rpartition(".")
    try:
        kind = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"HTTP filter {name!r}: cannot import {path}: {error}") from None
    if not (isinstance(kind, type) and issubclass(kind, Filter)):
        raise ValueError(f"HTTP filter {name!r}: {path} is not a subclass of mesh.Filter")
    try:
        return kind(json.loads(config) if config else None)
    except Exception as error:
        raise ValueError(f"HTTP filter {name!r}: {path} refused its config: {error}") from error
