"""Loaded plans and their parts, for the tests of one message each."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from mesh.config import load
from meshcore.bind import spec
from tests.config.boot import bootstrap


@cache
def everything() -> spec.Plan:
    """The plan of everything.yaml."""
    return load(Path(__file__).parent / "everything.yaml").plan


def plan(**patches: Any) -> spec.Plan:
    """The plan of the base bootstrap with patches (see boot.py)."""
    return load(bootstrap(**patches)).plan


def hcm(**patches: Any) -> spec.Hcm:
    return plan(**patches).listeners[0].hcm


def route(**patches: Any) -> spec.Route:
    return hcm(**patches).routes.virtual_hosts[0].routes[0]


def cluster(**patches: Any) -> spec.Cluster:
    return plan(**patches).clusters[0]
