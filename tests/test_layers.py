"""The layers hold: who imports whom, no Python object and no GIL on the hot path, and no file grows past reading.

The order of the folders is that of the design: a folder may use only those before it. Reads sources and imports none of them; the
one test that runs the compiler does so on a copy of setup.py in a folder of its own.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "src" / "meshcore"
MESH = ROOT / "python" / "mesh"

CORE_ORDER = ["_native", "base", "codec", "observe", "route", "cluster", "filter", "conf", "io", "proxy", "run", "bind"]
# From the bottom up. Single modules that are not named here are joints of proxy.py and aio/: they stand right above filters/.
MESH_ORDER = ["testing", "codec", "config", "xds", "sinks", "filters", "aio", "proxy", "admin", "explain", "cli", "__main__"]
JOINTS_ABOVE = "filters"
# proxy.py owns the admin server as it owns the workers: it starts it, and the pages tell about the proxy that they are handed.
# aio/ is a proxy on somebody else's loop, so it stands on proxy.py and not under it.
UPWARD = {("proxy", "admin"), ("aio", "proxy")}

LINES_MAX = 800
SOURCES = ("*.py", "*.pyx", "*.pxd", "*.pyi")


def sources(folder: Path, *patterns: str) -> Iterator[Path]:
    for pattern in patterns or SOURCES:
        yield from (path for path in sorted(folder.rglob(pattern)) if "build" not in path.relative_to(ROOT).parts)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))", re.MULTILINE)


def imported(path: Path) -> set[str]:
    """Dotted names that a source imports or cimports, wherever in it."""
    return {a or b for a, b in IMPORT.findall(path.read_text())}


def core_imports(path: Path) -> set[str]:
    """Folders of the engine that a source uses."""
    folders = {name.split(".")[1] for name in imported(path) if name.startswith("meshcore.")}
    for line in re.findall(r"^from meshcore c?import ([\w, ]+)", path.read_text(), re.MULTILINE):
        folders |= {name.strip() for name in line.split(",")}
    return folders


@pytest.mark.parametrize("folder", CORE_ORDER)
def test_a_folder_of_the_engine_uses_only_those_before_it(folder: str) -> None:
    allowed = set(CORE_ORDER[: CORE_ORDER.index(folder) + 1])
    for path in sources(CORE / folder):
        upward = core_imports(path) - allowed
        assert not upward, f"{relative(path)} uses {', '.join(sorted(upward))}, which stand above {folder}"


def test_the_engine_has_no_other_folders() -> None:
    found = {path.parent.relative_to(CORE).parts[0] for path in sources(CORE) if path.parent != CORE}
    assert found <= set(CORE_ORDER)


def test_the_engine_does_not_know_the_package_above_it() -> None:
    for path in sources(CORE):
        known = {name for name in imported(path) if name.split(".")[0] in ("mesh", "google", "envoy", "yaml", "asyncio", "grpc")}
        if path.parent.name != "bind":
            assert not known, f"{relative(path)} imports {known}"
        assert not {name for name in known if name.split(".")[0] == "mesh"}, relative(path)


def test_the_package_meets_the_engine_only_in_bind() -> None:
    for path in sources(MESH):
        beyond = {name for name in imported(path) if name.startswith("meshcore.") and not name.startswith("meshcore.bind")}
        assert not beyond, f"{relative(path)} imports {beyond}"


def unit_of(path: Path) -> str:
    inside = path.relative_to(MESH)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def mesh_imports(path: Path) -> set[str]:
    """Units of the package that a source imports at run time; what only a type checker sees is left out."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    units = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            units |= {name.name.split(".")[1] for name in node.names if name.name.startswith("mesh.")}
        elif isinstance(node, ast.ImportFrom) and node.module == "mesh":
            units |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mesh."):
            units.add(str(node.module).split(".")[1])
    return units


def rank(unit: str) -> float:
    return MESH_ORDER.index(unit) if unit in MESH_ORDER else MESH_ORDER.index(JOINTS_ABOVE) + 0.5


def test_a_layer_of_the_package_imports_only_those_under_it() -> None:
    for path in sources(MESH, "*.py"):
        unit = unit_of(path)
        if unit == "__init__":
            continue
        for other in mesh_imports(path) - {unit}:
            assert rank(other) <= rank(unit) or (unit, other) in UPWARD, f"{relative(path)} imports mesh.{other}, which stands above it"


def test_the_joints_of_the_package_do_not_go_in_circles() -> None:
    uses: dict[str, set[str]] = {}
    for path in sources(MESH, "*.py"):
        unit = unit_of(path)
        uses.setdefault(unit, set()).update(other for other in mesh_imports(path) if other != unit and (unit, other) not in UPWARD)
    uses.pop("__init__", None)
    while free := [unit for unit, others in uses.items() if not others & uses.keys()]:
        for unit in free:
            del uses[unit]
    assert not uses, f"these import each other: {uses}"


# --- the hot path ---------------------------------------------------------------------------------------------------

HOT = [folder for folder in CORE_ORDER if folder not in ("_native", "bind")]
SIGNATURE = re.compile(r"^(?:cdef|ctypedef)\b(?! (?:extern|struct|enum|union|packed))[^\n=]*\((?:[^()]|\([^()]*\))*\)[^\n]*", re.MULTILINE)
# Code that runs once, at import, has a leading underscore: it fills constant tables from Python literals, or fetches the addresses
# of C functions. Nothing else can call it, because nothing else here holds the GIL.
AT_IMPORT = re.compile(r"^cdef (?:\w+ \*?)?_\w+\(")
BLOCKS = re.compile(r"^cdef extern from.*?(?=^\S|\Z)|\"\"\".*?\"\"\"", re.MULTILINE | re.DOTALL)
STRINGS = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"")


def hot_sources() -> list[Path]:
    return [path for folder in HOT for path in sources(CORE / folder, "*.pyx", "*.pxd")]


def code_of(path: Path) -> str:
    """The source without docstrings, extern blocks, strings and comments."""
    return re.sub(r"#.*", "", STRINGS.sub('""', BLOCKS.sub("", path.read_text())))


@pytest.mark.parametrize("path", hot_sources(), ids=relative)
def test_every_function_of_the_hot_path_is_noexcept_nogil(path: Path) -> None:
    for match in SIGNATURE.finditer(code_of(path)):
        signature = " ".join(match[0].split())
        if AT_IMPORT.match(signature) and path.suffix == ".pyx":
            continue
        assert "noexcept nogil" in signature, f"{relative(path)}: {signature}"


@pytest.mark.parametrize("path", hot_sources(), ids=relative)
def test_the_hot_path_has_no_python_functions_classes_or_gil(path: Path) -> None:
    for number, line in enumerate(code_of(path).splitlines(), 1):
        assert not re.match(r"\s*(?:async )?def |\s*(?:cdef |cpdef )?class |\s*cpdef ", line), f"{relative(path)}:{number}: {line}"
        assert "with gil" not in line, f"{relative(path)}:{number}: {line}"
        assert not re.search(r"\b(?:object|PyObject)\b", line), f"{relative(path)}:{number}: {line}"


BAD = """
cdef void f() nogil:
    pass

cdef void g() noexcept nogil:
    f()
"""


def compile_alone(folder: str, text: str, where: Path) -> subprocess.CompletedProcess[str]:
    """Runs our own setup.py on a tree that holds one module."""
    shutil.copytree(CORE / "_native", where / "src" / "meshcore" / "_native", ignore=shutil.ignore_patterns("*.so"))
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, where / name)
    (where / "README.md").touch()
    (where / "python" / "mesh").mkdir(parents=True)
    module = where / "src" / "meshcore" / folder / "one.pyx"
    module.parent.mkdir()
    module.write_text(text)
    for init in (module.parent.parent, module.parent):
        (init / "__init__.py").touch()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MESH_")}
    command = [sys.executable, "setup.py", "--name"]
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, timeout=60, check=False)


GOOD = BAD.replace("f() nogil", "f() noexcept nogil")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "text", "passes"), [("base", BAD, False), ("bind", BAD, True), ("base", GOOD, True)], ids=["hot", "cold", "hot but right"]
)
def test_a_call_that_takes_the_gil_does_not_compile_on_the_hot_path(folder: str, text: str, passes: bool, tmp_path: Path) -> None:
    done = compile_alone(folder, text, tmp_path)
    assert (done.returncode == 0) == passes, done.stderr
    assert ("performance hint in a hot folder" in done.stdout + done.stderr) != passes


ENUM = re.compile(r"^cdef enum[^\n]*:\n((?:    [^\n]*\n|\n)+)", re.MULTILINE)
WHOLE = re.compile(r"^from ([\w.]+) cimport \*", re.MULTILINE)


def enumerators(path: Path) -> set[str]:
    lines = (line.split("#")[0] for block in ENUM.findall(path.read_text()) for line in block.split("\n"))
    return {part.split("=")[0].strip() for line in lines for part in line.split(",")} - {""}


def test_no_module_takes_one_name_from_two_files() -> None:
    # Cython lets the second hide the first, and two numbers that mean different things become one.
    made = {".".join(path.relative_to(ROOT / "src").with_suffix("").parts): enumerators(path) for path in sources(CORE, "*.pxd")}
    for path in sources(CORE, "*.pyx"):
        text = path.read_text()
        own = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        seen: dict[str, str] = {}
        for module in [*WHOLE.findall(text), own]:
            for name in made.get(module, ()):
                clash = seen.setdefault(name, module) != module and re.search(rf"\b{name}\b", text)
                assert not clash, f"{relative(path)}: {name} is in {seen[name]} and in {module}"


# --- shape ----------------------------------------------------------------------------------------------------------


def our_sources() -> list[Path]:
    return [path for top in ("src", "python", "tests", "bench", "examples") for path in sources(ROOT / top)]


def test_no_file_is_longer_than_a_reader_bears() -> None:
    long = {relative(path): n for path in our_sources() if (n := len(path.read_text().splitlines())) > LINES_MAX}
    assert not long


def test_every_file_opens_with_what_it_is_for() -> None:
    texts = {relative(path): path.read_text().strip() for path in our_sources() if path.suffix != ".pyi"}
    assert not [name for name, text in texts.items() if text and not text.startswith(('"""', 'r"""', "#"))]
