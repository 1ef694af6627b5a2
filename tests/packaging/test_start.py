"""A start stays small: `python -m mesh serve` imports nothing big that it does not need, and comes up within its memory.

Memory and CPU are those of a real process, read from /proc; the CPU of the start is bounded rather than its time, because other tests may
keep the machine busy.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 30.0
# What the program itself takes differs a little by the build of Python. Mapped files count in RSS by how many of their pages the kernel has
# at hand and maps around a fault: by two MiB more on one machine than on another that runs the same.
ANONYMOUS_MIB = 22.5
RSS_MIB = 36.0
CPU_S = 0.6  # of a start that takes 0.3 s on a quiet machine
# What costs a megabyte or more, and has no business in a proxy that serves a static file with no Python filter.
TOO_BIG = (
    "asyncio", "ssl", "http.client", "http.server", "urllib.request", "grpc", "unittest", "rich", "xml.etree", "multiprocessing",
    "google.protobuf.internal.python_message",
)  # fmt: skip


@contextlib.contextmanager
def serving(folder: Path, *wrapper: str) -> Iterator[subprocess.Popen[bytes]]:
    """`mesh serve` with examples/envoy.yaml on free ports, up and answering."""
    config, admin = folder / "envoy.yaml", folder / "admin"
    text = (ROOT / "examples" / "envoy.yaml").read_text()
    assert text.count("port_value: 9901") == text.count("port_value: 10000") == 1
    config.write_text(text.replace("port_value: 9901", "port_value: 0").replace("port_value: 10000", "port_value: 0"))
    options = ["serve", "-c", str(config), "--concurrency", "1", "--admin-address-path", str(admin), "-l", "error"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    process = subprocess.Popen([sys.executable, *(wrapper or ("-m", "mesh")), *options], env=environment)
    try:
        end = time.monotonic() + LIMIT_S
        while not (admin.exists() and admin.read_text()):
            assert process.poll() is None, f"ended with {process.returncode}"
            assert time.monotonic() < end, "did not start in time"
            time.sleep(0.005)
        yield process
    finally:
        process.kill()
        process.wait()


def status(process: subprocess.Popen[bytes], field: str) -> float:
    """A field of /proc/PID/status in MiB."""
    (line,) = [line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith(field + ":")]
    return int(line.split()[1]) / 1024


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_a_start_with_a_static_configuration_fits_in_its_memory_and_time(tmp_path: Path) -> None:
    with serving(tmp_path):
        pass  # leaves the bytecode that an installed package has
    (tmp_path / "admin").unlink()
    with serving(tmp_path) as process:
        own, used, spent = status(process, "RssAnon"), status(process, "VmRSS"), cpu_s(process)
    assert own <= ANONYMOUS_MIB
    assert used <= RSS_MIB
    assert spent <= CPU_S


PRINT_MODULES = """
import atexit, sys
atexit.register(lambda: open({path!r}, "w").write("\\n".join(sorted(sys.modules))))
from mesh.cli import main
main()
"""


@pytest.mark.slow
def test_serving_a_static_configuration_imports_nothing_big(tmp_path: Path) -> None:
    found = tmp_path / "modules"
    script = tmp_path / "serve.py"
    script.write_text(PRINT_MODULES.format(path=str(found)))
    with serving(tmp_path, str(script)) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
    loaded = set(found.read_text().splitlines())
    assert "mesh.proxy" in loaded
    assert not loaded & set(TOO_BIG)


@pytest.mark.slow
def test_importing_mesh_alone_imports_neither_engine_nor_protobuf() -> None:
    code = "import sys, mesh; print(*[name for name in ('meshcore', 'google.protobuf', 'yaml', 'click') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert done.stdout.split() == []
