"""What a distribution says and holds: one version, all sources, nothing that was generated; and the scripts around it are sound.

Nothing is compiled here: `make wheel` builds, repairs, installs and tries a wheel.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

import mesh

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LIMIT_S = 60
SCRIPTS = [path for path in sorted((ROOT / ".ci").iterdir()) if path.read_text().startswith("#!")]
CARRIED = ("src", "python", "docs", ".ci", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "Makefile")


def run_setup(cwd: Path, *arguments: str) -> str:
    command = [sys.executable, "setup.py", *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MESH_")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, set[str]]:
    """A source distribution made from a copy of the tree: its leading folder, and the names below it."""
    folder = tmp_path_factory.mktemp("sdist")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in CARRIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    run_setup(folder, "--quiet", "sdist")
    (archive,) = (folder / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = opened.getnames()
    return names[0].partition("/")[0], {name.partition("/")[2] for name in names}


@pytest.mark.slow
def test_a_source_distribution_holds_every_source_of_the_engine(sdist: tuple[str, set[str]]) -> None:
    wanted = {
        str(path.relative_to(ROOT))
        for pattern in ("*.pyx", "*.pxd", "*.pyi", "*.py", "*.h", "*.cc")
        for top in ("src", "python")
        for path in (ROOT / top).rglob(pattern)
    }
    wanted |= {str(path.relative_to(ROOT)) for path in (ROOT / "src/meshcore/_native").glob("*.c")}
    wanted |= {"pyproject.toml", "setup.py", "README.md", "LICENSE", "Makefile", ".ci/run"}
    assert not wanted - sdist[1]


@pytest.mark.slow
def test_a_source_distribution_holds_nothing_that_was_generated(sdist: tuple[str, set[str]]) -> None:
    generated = [name for name in sdist[1] if name.endswith((".so", ".pyc", ".html")) or re.search(r"meshcore/(?!_native).*\.c$", name)]
    assert not generated


def test_every_source_of_the_engine_is_kept_by_git() -> None:
    if not (ROOT / ".git").exists():
        return  # a source distribution: there is nothing to forget
    sources = [str(path.relative_to(ROOT)) for path in (ROOT / "src/meshcore/_native").iterdir() if path.suffix in (".c", ".cc", ".h")]
    assert sources
    done = subprocess.run(["git", "check-ignore", "--no-index", *sources], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [], "ignored by git, so missing from a clone"


@pytest.mark.slow
def test_the_version_is_that_of_the_package(sdist: tuple[str, set[str]]) -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert sdist[0] == f"meshcore_mesh-{mesh.__version__}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_executable_strict_and_parses(script: Path) -> None:
    text = script.read_text()
    assert os.access(script, os.X_OK)
    assert re.search(r"^set -e?uo pipefail$", text, re.MULTILINE)
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0


def test_the_requirements_come_from_the_project_file() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "requirements.py"), "build", "runtime", "test"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert set(PROJECT["build-system"]["requires"]) <= set(printed)
    assert set(PROJECT["project"]["dependencies"]) <= set(printed)
    assert len(printed) == len(set(printed))
    refused = subprocess.run([*command, "nonsense"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "nonsense is not among" in refused.stderr
