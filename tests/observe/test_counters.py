"""Slots, bins and the registry: what workers count is what readers see, whoever comes and goes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshcore.bind.distribution import BUCKETS, QUANTILES, Distribution, bin_of
from meshcore.bind.stats import StatsRegistry, WorkerSlots

CAP = 1 << 16


@pytest.fixture
def registry() -> StatsRegistry:
    return StatsRegistry(CAP)


@pytest.fixture
def worker(registry: StatsRegistry) -> Iterator[WorkerSlots]:
    slots = WorkerSlots(CAP)
    registry.attach(slots.address)
    yield slots
    slots.close()


@pytest.mark.parametrize(
    ("value", "lower", "step"),
    [
        (0, 0, 0),
        (1, 1, 1),
        (9, 9, 1),
        (10, 10, 1),
        (99, 99, 1),
        (100, 100, 10),
        (109, 100, 10),
        (110, 110, 10),
        (999, 990, 10),
        (1000, 1000, 100),
        (65_432, 65_000, 1000),
        (99_999_999_999, 99_000_000_000, 10**9),
        (10**11, 99_000_000_000, 10**9),
        (2**64 - 1, 99_000_000_000, 10**9),
    ],
)
def test_a_bin_keeps_two_digits(value: int, lower: int, step: int) -> None:
    assert bin_of(value) == (lower, step)


@given(st.integers(0, 10**11 - 1))
def test_every_value_lies_in_its_bin(value: int) -> None:
    lower, step = bin_of(value)
    assert lower <= value < lower + max(step, 1)
    assert str(lower)[:2] == str(value)[:2]
    assert bin_of(lower) == (lower, step)


def filled(values: list[int]) -> Distribution:
    registry = StatsRegistry(CAP)
    for value in values:
        registry.record("h", value)
    registry.flush()
    return next(registry.histograms()).total


def test_quantiles_of_a_histogram_that_envoy_printed() -> None:
    # totals=0,0:13, 1,0.1:3, 4,0.1:9, 12,1:11, 30,1:9
    total = filled([0] * 13 + [1] * 3 + [4] * 9 + [12] * 11 + [30] * 9)
    assert [round(q, 9) for q in total.quantiles()] == [0, 0, 4.07, 12.75, 30.5, 30.7, 30.9, 30.9, 30.9, 30.9]
    assert filled([0, 0, 30, 30, 30]).quantiles() == [0, 0, 30.25, 30.5, 30.75, 30.75, 30.75, 30.75, 30.75, 30.75]
    assert filled([17]).quantiles() == [17.5] * 10
    assert total.below()[:7] == [13, 16, 25, 25, 36, 45, 45]
    assert f"{total.sum():.32g}" == "451.29353109549833789060357958078"


def test_an_empty_distribution_has_no_quantiles() -> None:
    assert all(math.isnan(q) for q in Distribution({}).quantiles())
    assert Distribution({}).below() == [0] * len(BUCKETS)
    assert Distribution({}).sum() == 0


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=80))
def test_quantiles_rise_and_stay_within_a_bin_of_the_truth(values: list[int]) -> None:
    found = filled(values).quantiles()
    assert found == sorted(found)
    ranked = sorted(values)
    for q, estimate in zip(QUANTILES, found, strict=True):
        exact = ranked[max(0, math.ceil(q * len(values)) - 1)]
        lower, step = bin_of(exact)
        assert lower <= estimate <= lower + step


@given(st.lists(st.integers(0, 10**7), max_size=60))
def test_the_estimated_sum_is_within_five_per_cent(values: list[int]) -> None:
    assert filled(values).sum() == pytest.approx(sum(values), rel=0.05) if values else True


def test_workers_add_up(registry: StatsRegistry, worker: WorkerSlots) -> None:
    other = WorkerSlots(CAP)
    registry.attach(other.address)
    slot = registry.counter("a.total")
    worker.inc(slot)
    other.inc(slot, 41)
    assert registry.snapshot() == {"a.total": 42}
    other.close()


def test_a_detached_worker_leaves_its_totals(registry: StatsRegistry, worker: WorkerSlots) -> None:
    counter, gauge, histogram = registry.counter("c"), registry.gauge("g"), registry.histogram("h")
    worker.inc(counter, 5)
    worker.move(gauge, 3)
    worker.move(gauge, -2)
    worker.record(histogram, 7)
    registry.detach(worker.address)
    registry.flush()
    worker.inc(counter)
    assert registry.snapshot() == {"c": 5, "g": 1}
    assert next(registry.histograms()).total.parts() == [(7, 0.1, 1)]


def test_gauges_rise_and_fall_on_any_worker(registry: StatsRegistry, worker: WorkerSlots) -> None:
    gauge = registry.gauge("active")
    other = WorkerSlots(CAP)
    registry.attach(other.address)
    worker.move(gauge, 2)
    other.move(gauge, -2)
    (sample,) = registry.samples()
    assert (sample.value, sample.used, sample.kind) == (0, True, "gauge")
    other.close()


def test_a_gauge_that_is_set_adds_to_what_workers_report(registry: StatsRegistry, worker: WorkerSlots) -> None:
    registry.set_gauge("membership_total", 4)
    worker.move(registry.gauge("membership_total"), -1)
    assert registry.value("membership_total") == 3


def test_used_means_ever_counted_or_set(registry: StatsRegistry, worker: WorkerSlots) -> None:
    registry.counter("never")
    worker.inc(registry.counter("once"))
    registry.gauge("still")
    registry.set_gauge("zero", 0)
    registry.set_text("text", "")
    assert {s.name: s.used for s in registry.samples()} == {
        "never": False,
        "once": True,
        "still": False,
        "text": True,
        "zero": True,
    }


def test_lazy_counters_appear_with_their_first_count(registry: StatsRegistry, worker: WorkerSlots) -> None:
    slot = registry.counter("upstream_rq_200", lazy=True)
    assert registry.snapshot() == {}
    worker.inc(slot)
    assert registry.snapshot() == {"upstream_rq_200": 1}


def test_members_of_a_family_appear_when_they_are_counted(registry: StatsRegistry, worker: WorkerSlots) -> None:
    first = registry.codes("rq_")
    assert registry.snapshot() == {}
    worker.code(first, 200)
    worker.code(first, 200)
    worker.code(first, 504)
    assert registry.snapshot() == {"rq_200": 2, "rq_504": 1}
    assert all(sample.used and sample.kind == "counter" for sample in registry.samples())


def test_a_family_is_shared_reset_and_given_back_like_a_name(registry: StatsRegistry, worker: WorkerSlots) -> None:
    before = registry.slots_in_use()
    first = registry.codes("old.rq_")
    assert registry.codes("old.rq_") == first
    with pytest.raises(ValueError, match=r"old\.rq_ is a code family, not a counter"):
        registry.counter("old.rq_")
    worker.code(first, 200)
    registry.reset_counters()
    assert registry.snapshot() == {"old.rq_200": 0}
    worker.code(first, 200)
    assert registry.snapshot() == {"old.rq_200": 1}
    registry.release("old.rq_")
    assert registry.snapshot() == {"old.rq_200": 1}
    registry.release_prefix("old.")
    assert (registry.snapshot(), registry.slots_in_use()) == ({}, before)
    assert registry.codes("new.rq_") == first
    assert registry.snapshot() == {}
    worker.code(first, 200)
    assert registry.snapshot() == {"new.rq_200": 1}


def test_names_below_one_prefix_come_in_the_order_of_all_names(registry: StatsRegistry) -> None:
    for name in ("a.b.z", "a.b", "a.bc.d", "b", "a.b.y.x", "a.c"):
        registry.counter(name)
    names = [sample.name for sample in registry.samples()]
    assert names == sorted(names)
    assert len(names) == 6


def test_gauges_that_are_worked_out_stand_among_the_others(registry: StatsRegistry) -> None:
    registry.counter("c.one")
    registry.codes("c.")

    class Source:
        def gauges(self) -> dict[str, int]:
            return {"open": 1}

        def counters(self) -> dict[str, int]:
            return {"opened": 7}

    registry.computed("c.", Source())
    assert registry.snapshot() == {"c.one": 0, "c.open": 1, "c.opened": 7}
    assert {one.name: one.kind for one in registry.samples()}["c.opened"] == "counter"
    assert registry.value("c.open") == 1
    with pytest.raises(KeyError):
        registry.value("c.closed")


def test_a_block_of_memory_is_claimed_by_the_first_value_of_a_decade(registry: StatsRegistry, worker: WorkerSlots) -> None:
    first = registry.histogram("h")
    for value in (0, 9, 10, 99, 100, 10**10, 10**11, 2**64 - 1):
        worker.record(first, value)
    registry.flush()
    found = [lower for lower, _width, count in next(registry.histograms()).total.parts() for _ in range(count)]
    assert found == [0, 9, 10, 99, 100, 10**10, 99 * 10**9, 99 * 10**9]


def test_a_name_is_one_statistic_of_one_kind(registry: StatsRegistry) -> None:
    assert registry.counter("a") == registry.counter("a")
    with pytest.raises(ValueError, match="a is a counter, not a gauge"):
        registry.gauge("a")


def test_released_slots_are_given_out_again_and_start_at_zero(registry: StatsRegistry, worker: WorkerSlots) -> None:
    before = registry.slots_in_use()
    counter, gauge, histogram = registry.counter("old.c"), registry.gauge("old.g"), registry.histogram("old.h")
    worker.inc(counter, 9)
    worker.move(gauge, 9)
    worker.record(histogram, 9)
    registry.release_prefix("old.")
    assert registry.slots_in_use() == before
    assert registry.snapshot() == {}
    assert (registry.counter("c"), registry.gauge("g"), registry.histogram("h")) == (counter, gauge, histogram)
    registry.flush()
    assert registry.snapshot() == {"c": 0, "g": 0}
    assert not any(sample.used for sample in registry.samples())
    assert not any(histogram.used for histogram in registry.histograms())
    worker.inc(counter)
    worker.move(gauge, -1)
    worker.record(histogram, 3)
    registry.flush()
    assert registry.snapshot() == {"c": 1, "g": -1}
    assert next(registry.histograms()).total.parts() == [(3, 0.1, 1)]


def test_a_name_with_two_owners_outlives_the_first(registry: StatsRegistry, worker: WorkerSlots) -> None:
    worker.inc(registry.counter("shared"))
    registry.counter("shared")
    registry.release("shared")
    assert registry.snapshot() == {"shared": 1}
    registry.release("shared")
    assert registry.snapshot() == {}


def test_intervals_hold_what_came_between_two_flushes(registry: StatsRegistry, worker: WorkerSlots) -> None:
    first = registry.histogram("h")
    worker.record(first, 1)
    assert not next(registry.histograms()).used
    registry.flush()
    worker.record(first, 1)
    worker.record(first, 250)
    registry.flush()
    (histogram,) = registry.histograms()
    assert histogram.interval.parts() == [(1, 0.1, 1), (250, 10, 1)]
    assert histogram.total.parts() == [(1, 0.1, 2), (250, 10, 1)]
    registry.flush()
    assert next(registry.histograms()).interval.count == 0
    assert next(registry.histograms()).total.count == 3


def test_reset_puts_counters_to_zero_and_leaves_the_rest(registry: StatsRegistry, worker: WorkerSlots) -> None:
    counter = registry.counter("c")
    worker.inc(counter, 3)
    worker.move(registry.gauge("g"), 2)
    registry.reset_counters()
    assert registry.snapshot() == {"c": 0, "g": 2}
    worker.inc(counter)
    assert registry.value("c") == 1


def test_the_main_thread_counts_too(registry: StatsRegistry) -> None:
    registry.add("listener_manager.listener_added")
    registry.add("listener_manager.listener_added", 2)
    registry.record("server.initialization_time_ms", 17)
    registry.flush()
    assert registry.value("listener_manager.listener_added") == 3
    assert next(registry.histograms()).total.count == 1


def test_running_out_of_slots_says_so() -> None:
    registry = StatsRegistry(14)
    registry.gauge("g")
    with pytest.raises(MemoryError, match="all 14 slots"):
        registry.gauge("h")
    assert registry.counter("c") == 6


def test_an_address_is_attached_once(registry: StatsRegistry, worker: WorkerSlots) -> None:
    with pytest.raises(ValueError, match="not the address"):
        registry.attach(worker.address)
    with pytest.raises(ValueError, match="not the address"):
        registry.attach(0)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["counter", "gauge", "release", "inc", "swap"]), st.sampled_from("abcde"), st.integers(1, 9)
    ),
    max_size=60,
)


@given(OPERATIONS)
def test_any_history_gives_the_sums_of_a_dict(operations: list[tuple[str, str, int]]) -> None:
    """Names come, count, go and come back on workers that are replaced meanwhile: the registry agrees with plain
    bookkeeping.
    """
    registry = StatsRegistry(256)
    worker = WorkerSlots(256)
    registry.attach(worker.address)
    slots: dict[str, int] = {}
    model: dict[str, int] = {}
    for action, letter, amount in operations:
        counter, gauge = f"c.{letter}", f"g.{letter}"
        if action == "counter" and counter not in model:
            slots[counter], model[counter] = registry.counter(counter), 0
        elif action == "gauge" and gauge not in model:
            slots[gauge], model[gauge] = registry.gauge(gauge), 0
        elif action == "release" and counter in model:
            registry.release(counter)
            del model[counter]
        elif action == "inc":
            for name in (n for n in (counter, gauge) if n in model):
                signed = amount if name[0] == "c" or amount % 2 else -amount
                worker.move(slots[name], signed)
                model[name] += signed
        elif action == "swap":
            registry.detach(worker.address)
            worker.close()
            worker = WorkerSlots(256)
            registry.attach(worker.address)
    assert registry.snapshot() == model
    worker.close()
