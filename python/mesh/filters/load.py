"""From a configured filter to a bound one: imports the class, makes the object, finds out which hooks it has.

Main thread, when a configuration is published; `check` does the first two and keeps nothing. Errors name the filter and what was expected.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mesh.config.errors import ConfigError, Problem
from mesh.filters import Filter
from meshcore.bind.record import record

if TYPE_CHECKING:
    from meshcore.bind.spec import Plan

HOOK_REQUEST, HOOK_RESPONSE, HOOK_LOG, HOOK_REQUEST_PARKS, HOOK_RESPONSE_PARKS = 1, 2, 4, 8, 16


@record
class BoundFilter:
    """What the engine needs of a filter: the object, its hooks (HOOK_* bits) and where parked hooks run."""

    filter: Any
    hooks: int
    runner: Any = None


def bind(name: str, settings: Any, runner: Callable[[], Any]) -> BoundFilter:
    """`settings`: (class path, JSON of its config), a Filter object, or a BoundFilter. `runner` is asked only when a hook is a coroutine.

    Raises ConfigError."""
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
                raise _refused(name, f"{method} must not be async")
            hooks |= parks
    needs_runner = hooks & (HOOK_REQUEST_PARKS | HOOK_RESPONSE_PARKS)
    return BoundFilter(target, hooks, runner() if needs_runner else None)


def check(plan: Plan) -> None:
    """Makes the filters of all listeners, as a start would. Raises ConfigError."""
    for listener in plan.listeners:
        for chain in listener.chains:
            for item in chain.hcm.filters if chain.hcm is not None else ():
                if item.kind == "python":
                    bind(item.name, item.settings, lambda: None)


def _make(name: str, path: str, config: str | None) -> Filter:
    module, _, attribute = path.replace(":", ".").rpartition(".")
    try:
        kind = getattr(import_module(module), attribute)
    except Exception as error:  # whatever the module does when it is imported
        raise _refused(name, f"cannot import {path}: {_said(error)}") from error
    if not (isinstance(kind, type) and issubclass(kind, Filter)):
        raise _refused(name, f"{path} is not a subclass of mesh.Filter")
    try:
        return kind(json.loads(config) if config else None)
    except Exception as error:
        raise _refused(name, f"{path} refused its config: {_said(error)}") from error


def _refused(name: str, text: str) -> ConfigError:
    return ConfigError([Problem("", f"HTTP filter {name!r}: {text}")])


def _said(error: Exception) -> str:
    """An error in one line; its class where its text alone would say little."""
    text = str(error).partition("\n")[0]
    return text if isinstance(error, ImportError | AttributeError | ValueError) else f"{type(error).__name__}: {text}"
