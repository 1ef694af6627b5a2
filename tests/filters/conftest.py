"""Fixtures: the door that a test goes through, and an upstream that tells what it received."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.filters.doors import DOORS, OpenDoor
from tests.filters.wire import Mirror


@pytest.fixture(params=list(DOORS))
def opened(request: pytest.FixtureRequest) -> OpenDoor:
    return DOORS[request.param]


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as upstream:
        yield upstream
