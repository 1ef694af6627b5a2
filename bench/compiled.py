"""Small C programs of the benchmarks: compiled whenever their source or a header beside it is newer than the program."""

import subprocess
from pathlib import Path

from bench.failure import BenchFailure
from bench.machine import ROOT
from bench.running import program

LIBRARIES = {"shake": ("-lssl", "-lcrypto")}


def compiled(source: Path) -> Path:
    """The program made of one file; fails with the compiler's own words."""
    built = ROOT / "build" / "bench" / source.stem
    newest = max(file.stat().st_mtime for file in (source, *source.parent.glob("*.h")))
    if not built.exists() or built.stat().st_mtime < newest:
        built.parent.mkdir(parents=True, exist_ok=True)
        command = [program("cc"), "-O2", "-Wall", "-Wextra", "-o", str(built), str(source), *LIBRARIES.get(source.stem, ())]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise BenchFailure(f"{source.name} does not compile: {done.stderr.strip()}")
    return built
