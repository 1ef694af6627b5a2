"""The buffer chain and the timing wheel: what one body, or one timeout, costs the engine.

`pytest bench/micro/test_buffer.py --benchmark-json FILE`. Each call does LOOP rounds in native code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshcore.bind import codecbench

LOOP = 1000
SIZES = pytest.mark.parametrize("size", [128, 16_384, 262_144], ids=["128 B", "16 KiB", "256 KiB"])


def rounds(benchmark: Any, group: str, run: Callable[[int, int], None], argument: int) -> None:
    benchmark.group = group
    benchmark.extra_info.update(rounds_per_call=LOOP)
    benchmark(run, argument, LOOP)


@SIZES
def test_copy_iovecs_drain(benchmark: Any, size: int) -> None:
    rounds(benchmark, f"buffer {size}", codecbench.buffer_copy_drain, size)


@SIZES
def test_borrow_iovecs_drain(benchmark: Any, size: int) -> None:
    rounds(benchmark, f"buffer {size}", codecbench.buffer_borrow_drain, size)


@SIZES
def test_share_move_drop(benchmark: Any, size: int) -> None:
    rounds(benchmark, f"buffer {size}", codecbench.buffer_share_move, size)


@pytest.mark.parametrize("ahead_ms", [5, 15_000, 300_000])
def test_wheel_arm_and_cancel(benchmark: Any, ahead_ms: int) -> None:
    rounds(benchmark, "wheel, arm and cancel", codecbench.wheel_arm_cancel, ahead_ms)


@pytest.mark.parametrize("step_ms", [1, 1000])
def test_wheel_arm_and_fire(benchmark: Any, step_ms: int) -> None:
    rounds(benchmark, "wheel, arm and fire", codecbench.wheel_arm_fire, step_ms)
