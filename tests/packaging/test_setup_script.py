""".ci/setup installs what is missing, asks nobody, and says what it cannot do.

The script runs as it stands, with stand-ins for the programs that change a machine (apt-get, pip, venv) or describe it (dpkg-query, id,
sudo) first on the PATH; each writes down how it was called. Nothing is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 30

# `-c` and scripts are really run; an environment is a folder with this script in it; packages are only written down.
PYTHON = """#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "venv" >>"$CALLS" ;;
    "-m pip") echo "pip $*" >>"$CALLS" ;;
    *) exec "$REAL_PYTHON" "$@" ;;
esac
"""


@dataclass
class Machine:
    """Stand-ins in a folder. `present`: packages that dpkg-query knows."""

    folder: Path

    def program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def setup(self, *, root: bool, sudo: bool = False, present: str = "") -> subprocess.CompletedProcess[str]:
        self.program("python", PYTHON)
        self.program("id", f"#!/bin/sh\necho {0 if root else 1000}\n")
        self.program("sudo", f'#!/bin/sh\n{"shift" if sudo else "exit 1"}\necho "sudo $*" >>"$CALLS"\nexec "$@"\n')
        self.program("apt-get", '#!/bin/sh\necho "apt-get $*" >>"$CALLS"\n')
        self.program(
            "dpkg-query",
            f'#!/bin/sh\ncase " {present} " in *" $4 "*|*" all "*) echo "install ok installed" ;; *) exit 1 ;; esac\n',
        )
        environment = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "PYTHON": str(self.folder / "bin" / "python"),
            "VENV": str(self.folder / "env"),
            "CALLS": str(self.folder / "calls"),
            "REAL_PYTHON": sys.executable,
            "HOME": str(self.folder),
        }
        command = [str(ROOT / ".ci" / "setup")]
        return subprocess.run(command, env=environment, stdin=subprocess.PIPE, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[], Machine]:
    return lambda: Machine(tmp_path)


def apt(calls: list[str]) -> list[str]:
    return [call for call in calls if call.startswith("apt-get")]


@pytest.mark.slow
def test_root_gets_what_is_missing_and_an_environment(machine: Callable[[], Machine]) -> None:
    bare = machine()
    done = bare.setup(root=True, present="build-essential pkg-config wrk")
    assert done.returncode == 0, done.stderr
    update, install = apt(bare.calls())
    assert "update" in update and " -y " in install
    libraries = {"libuv1-dev", "liburing-dev", "libssl-dev", "libnghttp2-dev", "libre2-dev", "zlib1g-dev"}
    assert libraries | {"haproxy", "nginx-light"} <= set(install.split())
    assert not {"build-essential", "pkg-config", "wrk"} & set(install.split())
    assert "venv" in bare.calls() and bare.calls()[-1].startswith("pip -m pip install")


@pytest.mark.slow
def test_a_second_run_does_nothing(machine: Callable[[], Machine]) -> None:
    ready = machine()
    assert ready.setup(root=True, present="all").returncode == 0
    before = ready.calls()
    again = ready.setup(root=True, present="all")
    assert again.returncode == 0 and again.stderr == ""
    assert ready.calls() == before and apt(before) == []


def test_without_rights_a_build_that_is_impossible_ends_with_the_packages_it_needs(machine: Callable[[], Machine]) -> None:
    bare = machine()
    done = bare.setup(root=False, present="build-essential pkg-config libre2-dev")
    assert done.returncode == 1
    assert "error: a build needs: apt-get install libuv1-dev liburing-dev libssl-dev" in done.stderr
    assert bare.calls() == []


@pytest.mark.slow
def test_without_rights_missing_peers_are_told_and_do_not_stop_it(machine: Callable[[], Machine]) -> None:
    user = machine()
    libraries = "libuv1-dev liburing-dev libssl-dev libnghttp2-dev libre2-dev zlib1g-dev"
    built = f"build-essential pkg-config {libraries} python3 python3-venv python3-dev"
    done = user.setup(root=False, present=built)
    assert done.returncode == 0, done.stderr
    assert "not installed: nginx-light haproxy" in done.stderr
    assert apt(user.calls()) == []


@pytest.mark.slow
def test_a_user_with_sudo_installs_through_it(machine: Callable[[], Machine]) -> None:
    user = machine()
    assert user.setup(root=False, sudo=True, present="build-essential").returncode == 0
    assert any(call.startswith("sudo ") and "apt-get install" in call for call in user.calls())


def test_an_old_python_is_named(machine: Callable[[], Machine]) -> None:
    old = machine()
    old.program("real", '#!/bin/sh\ncase "$*" in *version_info*) exit 1 ;; *base_prefix*) echo /opt ;; *) echo "Python 3.9.1" ;; esac\n')
    environment = {**os.environ, "CALLS": "/dev/null", "REAL_PYTHON": str(old.folder / "bin" / "real")}
    old.program("python", PYTHON)
    old.program("dpkg-query", '#!/bin/sh\necho "install ok installed"\n')
    environment |= {"PATH": f"{old.folder / 'bin'}:/usr/bin:/bin", "PYTHON": str(old.folder / "bin" / "python"), "VENV": str(old.folder)}
    command = [str(ROOT / ".ci" / "setup")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 1
    assert "error: Python 3.11 or newer is needed" in done.stderr and "3.9.1" in done.stderr
