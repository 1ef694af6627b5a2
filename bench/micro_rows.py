"""Keeps rows of a micro benchmark: `python -m bench.micro_rows thrift` runs bench/micro/test_thrift.py and appends to
bench/results/micro_thrift.jsonl.

One row for each test: microseconds for one unit of its work (median, smallest and largest of its rounds), how many bytes that is, and
what every other row says about the machine and the commit. On a machine that does other work besides, the smallest value is the one to
compare. Ends with pytest's exit code when a test failed, and keeps nothing then.
"""

import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from bench import machine, rows

UNITS = ("structs_per_call", "messages_per_call", "rounds_per_call")
SIZES = ("bytes_per_struct", "bytes_per_message")


def row(facts: dict[str, str], scenario: str, measured: dict[str, Any]) -> rows.Row:
    """One row from what pytest-benchmark says about a test."""
    extra, stats = measured["extra_info"], measured["stats"]
    units = next((extra[name] for name in UNITS if name in extra), 1)
    made: rows.Row = {**facts, "scenario": scenario, "group": measured["group"], "peer": measured["name"].removeprefix("test_")}
    made["rounds"] = stats["rounds"]
    made["us"] = {name: round(stats[name] * 1e6 / units, 4) for name in ("median", "min", "max")}
    made["bytes"] = next((extra[name] for name in SIZES if name in extra), None)
    made["errors"] = 0  # a test that fails keeps no rows
    return made


@click.command(help="Runs bench/micro/test_NAME.py and keeps its rows.")
@click.argument("name")
def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        tests = machine.ROOT / "bench" / "micro" / f"test_{name}.py"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests), "--benchmark-json", str(out)]
        code = subprocess.run(command, cwd=machine.ROOT, check=False).returncode
        if code != 0:
            sys.exit(code)
        facts = machine.facts() | {"version": f"pytest-benchmark {version('pytest-benchmark')}"}
        made = [row(facts, f"micro_{name}", measured) for measured in json.loads(out.read_text())["benchmarks"]]
    rows.append(made, rows.RESULTS)
    for one in made:
        click.echo(f"{one['group']:34} {one['peer']:34} {one['us']['min']:>12.3f} us")


if __name__ == "__main__":
    main()
