"""Small C programs of the benchmarks: compiled from their source whenever that is newer than the program."""

import subprocess
from pathlib import Path

from bench.failure import BenchFailure
from bench.machine import ROOT
from bench.running import program


def compiled(source: Path) -> Path:
    """The program made of one file; fails with the compiler's own words."""
    built = ROOT / "build" / "bench" / source.stem
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        built.parent.mkdir(parents=True, exist_ok=True)
        command = [program("cc"), "-O2", "-Wall", "-Wextra", "-o", str(built), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise BenchFailure(f"{source.name} does not compile: {done.stderr.strip()}")
    return built
