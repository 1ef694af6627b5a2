"""CPU time and memory of a process and everything it started, from the kernel's accounts.

Owns no process and starts none. CPU comes from the scheduler's clock of the whole process (nanoseconds, all threads,
also those that have ended), not from utime+stime in /proc/PID/stat, whose unit is a tick of 10 ms. Called by the
scenarios around a load. Master and worker processes are summed, so a peer is charged for all it runs.
"""

import os
import time
from pathlib import Path

from bench.failure import BenchFailure

PROC = Path("/proc")
SCHEDULER_CLOCK = 2  # linux/posix-timers.h: CPUCLOCK_SCHED of another process is (~pid << 3) | 2


def tree(pid: int) -> list[int]:
    """The process ids of `pid` and all its living descendants, parents first."""
    found = [pid]
    for parent in found:
        for children in (PROC / str(parent) / "task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    return found


def process_cpu_ns(pid: int) -> int:
    """User and system CPU time of one process since it began, in nanoseconds."""
    try:
        return time.clock_gettime_ns((~pid << 3) | SCHEDULER_CLOCK)
    except OSError as error:
        raise BenchFailure(f"process {pid} ended while it was measured") from error


def cpu_ns(pids: list[int]) -> int:
    """CPU time of all the processes of one peer, in nanoseconds."""
    return sum(process_cpu_ns(pid) for pid in pids)


def rss_kib(pids: list[int]) -> int:
    """Resident memory of all the processes of one peer, in KiB (VmRSS; pages that two processes share count twice)."""
    total = 0
    for pid in pids:
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total


def core_busy_ns(core: int) -> int:
    """Time that one core did not idle since boot, whoever used it and stolen time included, in nanoseconds."""
    for line in (PROC / "stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = (int(tick) for tick in ticks[:8])
            return (user + nice + system + irq + softirq + steal) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    raise BenchFailure(f"core {core} is not in {PROC / 'stat'}")
