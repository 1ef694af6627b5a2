"""The harness measures what it says: one short round on the relay and nginx, and its refusal of loads that saw errors.

Starts real programs on loopback and free ports; takes about three seconds; leaves no process behind, which it asserts.
"""

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import account, machine, rounds, rows
from bench.__main__ import main
from bench.load import h2load
from bench.peers import PEERS
from bench.peers.peer import Peer
from bench.scenarios import SCENARIOS
from bench.scenarios.scenario import Sample

FACTS = {"date": "2026-01-01T00:00:00Z", "commit": "0", "cpu": "a core", "kernel": "6"}
FIRST_FIELDS = [*FACTS, "scenario", "peer", "version", "rounds", "seconds", "connections", "us_per_request"]


@pytest.mark.slow
def test_a_short_round_counts_requests_and_cpu_and_leaves_no_process() -> None:
    own = account.tree(os.getpid())
    planned = rounds.cells([SCENARIOS["get64"]], [PEERS["relay"], PEERS["nginx"]])
    results = rounds.run(planned, 1, 0.3, machine.cores(), lambda _turn, _cell: None)
    assert results.failures == {}
    for peer in ("relay", "nginx"):
        (sample,) = results.samples["get64", peer]
        assert sample.errors == {}
        assert sample.requests > 100
        assert 1 < sample.metrics["us_per_request"] < 10_000
        assert sample.metrics["cpu_share"] <= 1.05
        made = rows.row(FACTS, "get64", peer, "1", 0.3, [sample])
        assert list(made)[: len(FIRST_FIELDS)] == FIRST_FIELDS
        assert list(made)[-2:] == ["requests", "errors"]
    assert account.tree(os.getpid()) == own


@pytest.mark.slow
def test_a_short_round_of_http2_and_of_grpc_sees_no_error() -> None:
    planned = rounds.cells([SCENARIOS["h2"], SCENARIOS["grpc"]], [PEERS["haproxy"]])
    results = rounds.run(planned, 1, 0.3, machine.cores(), lambda _turn, _cell: None)
    assert results.failures == {}
    for scenario in ("h2", "grpc"):
        (sample,) = results.samples[scenario, "haproxy"]
        assert sample.errors == {}
        assert sample.requests > 100
        assert sample.metrics["p50_us"] <= sample.metrics["p99_us"]


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["tls", "handshakes", "handshakes_resumed"])
def test_a_short_round_of_tls_sees_no_error(scenario: str) -> None:
    planned = rounds.cells([SCENARIOS[scenario]], [PEERS["haproxy"]])
    results = rounds.run(planned, 1, 0.3, machine.cores(), lambda _turn, _cell: None)
    assert results.failures == {}
    (sample,) = results.samples[scenario, "haproxy"]
    assert sample.errors == {} and sample.requests > 10


def test_a_report_of_h2load_says_what_failed() -> None:
    report = (
        "finished in 1.00s, 7.00 req/s, 1.00MB/s\n"
        "requests: 12 total, 12 started, 10 done, 7 succeeded, 3 failed, 0 errored, 2 timeout\n"
    )
    seen = h2load.parse(report, 1, "".join(f"1\t200\t{us}\n" for us in range(1, 8)))
    assert (seen.requests, seen.errors, seen.p50_us) == (7, {"status": 3, "timeout": 2}, 4)


@pytest.mark.slow
def test_a_peer_that_does_not_start_is_a_failure_with_its_own_words() -> None:
    broken = Peer("broken", str, lambda *_: ["sh", "-c", "echo no such option; exit 3"], frozenset())
    results = rounds.run([rounds.Cell(SCENARIOS["get64"], broken)], 2, 0.3, machine.cores(), lambda _turn, _cell: None)
    assert results.samples == {}
    assert results.failures == {("get64", "broken"): "broken ended with status 3: no such option"}


def test_a_load_that_saw_errors_is_refused_with_their_kinds() -> None:
    clean, dirty = Sample({"us_per_request": 1.0}), Sample({"us_per_request": 1.0}, errors={"status": 2, "read": 1})
    assert rows.refusal([clean]) == ""
    assert rows.refusal([clean, dirty]) == "the load saw errors: 1 read, 2 status"


def test_a_row_keeps_median_and_spread_of_its_rounds() -> None:
    made = rows.row(
        FACTS, "get64", "ours", "1", 1.0, [Sample({"us_per_request": value}, 64, 10) for value in (3.0, 1.0, 2.5)]
    )
    assert made["us_per_request"] == {"median": 2.5, "min": 1.0, "max": 3.0}
    assert made["requests"] == 30


def test_the_readme_table_takes_the_newest_run_that_has_our_own_row(tmp_path: Path) -> None:
    dates = {
        "2026-01-01": {"ours": 1.0, "nginx": 2.0},
        "2026-01-02": {"ours": 3.0, "nginx": 4.0},
        "2026-01-03": {"nginx": 9.0},
    }
    for date, peers in dates.items():
        facts = {**FACTS, "date": date}
        rows.append(
            [rows.row(facts, "get64", peer, "1", 1.0, [Sample({"us_per_request": us})]) for peer, us in peers.items()],
            tmp_path,
        )
    assert {made["peer"]: made["us_per_request"]["median"] for made in rows.newest(tmp_path, "get64")} == dates[
        "2026-01-02"
    ]
    printed = CliRunner().invoke(main, ["--table", "--scenarios", "get64", "--out", str(tmp_path)])
    assert printed.exit_code == 0
    assert "| small GET, 64 connections | us CPU / request |  | 4.00 |  |  | 3.00 |  | 0.75 |  |  |" in printed.output


def test_every_row_file_of_the_repository_can_be_read() -> None:
    for file in rows.RESULTS.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            made = json.loads(line)
            assert made["scenario"] == file.stem
            assert made["errors"] == 0


def test_an_unknown_peer_is_refused_by_name() -> None:
    told = CliRunner().invoke(main, ["--peers", "nginx,squid"])
    assert told.exit_code == 2
    assert "squid is not among relay, nginx, haproxy" in told.output
