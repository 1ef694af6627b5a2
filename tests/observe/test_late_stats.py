"""Names that workers give themselves: one for all workers, seen by readers, bounded."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from meshcore.bind.stats import StatsRegistry, WorkerSlots

CAP = 1 << 16
COUNTER, GRPC = 0, 1
NAMES_MAX = 1 << 16


@pytest.fixture
def registry() -> StatsRegistry:
    return StatsRegistry(CAP)


@pytest.fixture
def workers(registry: StatsRegistry) -> Iterator[list[WorkerSlots]]:
    made = [WorkerSlots(CAP) for _ in range(2)]
    for one in made:
        registry.attach(one.address)
    yield made
    for one in made:
        one.close()


def place(worker: WorkerSlots, name: bytes, kind: int = COUNTER) -> tuple[int, int]:
    found = worker.late(name, kind)
    assert found is not None
    return found


def test_two_workers_share_a_name_and_readers_sum(registry: StatsRegistry, workers: list[WorkerSlots]) -> None:
    first, second = workers
    slot, _ = place(first, b"cluster.c.new")
    assert place(second, b"cluster.c.new") == place(first, b"cluster.c.new")
    assert "cluster.c.new" not in registry.snapshot()
    first.inc(slot, 2)
    second.inc(slot, 3)
    assert registry.value("cluster.c.new") == 5
    assert registry.snapshot()["cluster.c.new"] == 5


def test_a_call_has_counters_and_a_histogram_that_appear_when_used(registry: StatsRegistry, workers: list[WorkerSlots]) -> None:
    slot, block = place(workers[0], b"cluster.c.grpc.s.m.", GRPC)
    assert registry.snapshot() == {}
    assert list(registry.histograms()) == []
    workers[0].inc(slot + 4)
    workers[0].record(block, 17)
    registry.flush()
    assert registry.snapshot() == {"cluster.c.grpc.s.m.total": 1}
    assert [one.name for one in registry.histograms()] == ["cluster.c.grpc.s.m.upstream_rq_time"]


def test_late_names_stand_in_order_among_the_others(registry: StatsRegistry, workers: list[WorkerSlots]) -> None:
    registry.add("cluster.c.a")
    registry.add("cluster.c.z")
    workers[0].inc(place(workers[0], b"cluster.c.m")[0])
    assert [one.name for one in registry.samples()] == ["cluster.c.a", "cluster.c.m", "cluster.c.z"]


def test_what_a_detached_worker_counted_stays(registry: StatsRegistry, workers: list[WorkerSlots]) -> None:
    slot, block = place(workers[0], b"cluster.c.grpc.s.m.", GRPC)
    workers[0].inc(slot, 4)
    workers[0].record(block, 3)
    registry.detach(workers[0].address)
    assert workers[0].late(b"cluster.c.grpc.s.m.", GRPC) is None
    registry.flush()
    assert registry.value("cluster.c.grpc.s.m.request_message_count") == 4
    assert next(registry.histograms()).total.count == 1


def test_resetting_begins_at_zero_again(registry: StatsRegistry, workers: list[WorkerSlots]) -> None:
    slot, _ = place(workers[0], b"late")
    workers[0].inc(slot, 4)
    registry.reset_counters()
    assert registry.value("late") == 0
    workers[0].inc(slot)
    assert registry.value("late") == 1


def test_names_that_find_no_room_are_counted(registry: StatsRegistry, workers: list[WorkerSlots]) -> None:
    room = CAP // 2 // 8
    taken = [workers[0].late(f"n{i}".encode()) for i in range(room + 3)]
    assert taken[room:] == [None] * 3
    assert None not in taken[:room]
    assert workers[1].late(b"n7") == taken[7]
    assert registry.snapshot()["stats.overflow"] == 3


@pytest.mark.slow
def test_a_table_takes_so_many_names_and_no_more() -> None:
    registry = StatsRegistry()
    worker = WorkerSlots()
    registry.attach(worker.address)
    try:
        found = [worker.late(f"n{i}".encode()) for i in range(NAMES_MAX + 5)]
        assert None not in found[:NAMES_MAX]
        assert found[NAMES_MAX:] == [None] * 5
        assert worker.late(b"n0") == found[0]
    finally:
        worker.close()


def test_a_name_that_is_too_long_is_refused(registry: StatsRegistry, workers: list[WorkerSlots]) -> None:
    assert workers[0].late(b"x" * 1025) is None
    assert workers[0].late(b"x" * 1024) is not None
    assert registry.snapshot()["stats.overflow"] == 1


def test_a_name_of_any_bytes_can_be_printed(registry: StatsRegistry, workers: list[WorkerSlots]) -> None:
    workers[0].inc(place(workers[0], b"a\xff")[0])
    assert registry.snapshot() == {"a\\xff": 1}


def test_an_array_of_no_registry_has_no_late_names() -> None:
    worker = WorkerSlots(CAP)
    assert worker.late(b"a") is None
    worker.close()


def test_threads_that_meet_the_same_names_agree(registry: StatsRegistry, workers: list[WorkerSlots]) -> None:
    names = [f"n{i}".encode() for i in range(500)]

    def meet(worker: WorkerSlots) -> list[tuple[int, int] | None]:
        return [worker.late(name, GRPC if i % 50 == 0 else COUNTER) for i, name in enumerate(names)]

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(meet, workers)
    assert one == other
    assert None not in one
