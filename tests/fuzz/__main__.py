"""`python -m tests.fuzz [TARGET ...] [--seconds 60] [--seed N]`: runs each target in a child process and tells what it found.

An input that breaks a property or the process itself is written to build/fuzz/TARGET-N, to be looked at and then to become a
corpus case. Exit code 0 when nothing was found.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import zlib
from pathlib import Path

from tests.fuzz.run import TARGETS, Broken, Ledger, run

FOUND = Path("build") / "fuzz"


def keep(target: str, raw: bytes) -> Path:
    FOUND.mkdir(parents=True, exist_ok=True)
    path = FOUND / f"{target}-{zlib.crc32(raw):08x}"
    path.write_bytes(raw)
    return path


def child(target: str, seed: int, seconds: float, ledger: Ledger) -> int:
    try:
        tried, kinds = run(target, seed, seconds=seconds, ledger=ledger)
    except Broken as broken:
        print(f"{broken}\nkept as {keep(target, broken.raw)}", file=sys.stderr)
        return 1
    print(f"{target}: {tried} inputs, {kinds} kinds, seed {seed}, nothing found")
    return 0


def watch(target: str, seed: int, seconds: float) -> bool:
    """Runs a target in a child; True when it found nothing and lived."""
    ledger = Ledger()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            code = child(target, seed, seconds, ledger)
            sys.stdout.flush()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        raw = ledger.read()
        name = signal.Signals(os.WTERMSIG(status)).name
        print(f"{target}: ended by {name} on {raw!r}\nkept as {keep(target, raw)}", file=sys.stderr)
    return status == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="fuzzes the codecs")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one or more of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--seconds", type=float, default=60, help="for each target (default: 60)")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run (default: drawn)")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.targets) - set(TARGETS))
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    results = [watch(target, seed, arguments.seconds) for target in arguments.targets or TARGETS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
