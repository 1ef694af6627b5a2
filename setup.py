"""Builds the native engine: every .pyx below src/meshcore becomes one extension module of the same name.

Owns the compiler settings, the package layout and the version it reads from `mesh`; all other metadata lives in pyproject.toml. Must not
download anything: the C source of picohttpparser comes from a pinned build dependency and is checked by its hash. Hot folders must compile
without a single performance hint (a hint means that some `nogil` call takes the GIL to look for an exception), so hints there are errors.
Called by pip in an isolated build, by `make build` in place, by .ci/asan in a tree of its own.

Environment: MESH_ONLY     comma-separated patterns of module names to build (development)
             MESH_SANITIZE address,undefined    (used by `make asan`)
             MESH_DEBUG    1: -O1 -g, C asserts on
             MESH_CYTHON_CACHE   folder in which several trees share the C that Cython made (development)
"""

import fnmatch
import os
import pathlib
import re
import subprocess
import sys

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = pathlib.Path(__file__).parent
CORE = pathlib.Path("src/meshcore")
COLD = {"bind"}  # the only folder that may hold Python objects
NEEDS_UV = {"io", "run", "bind"}
DEVELOPMENT = ("*.bind.*test", "*.bind.*bench")  # faces that only our own tests and benchmarks use: not in a wheel
JOBS = len(os.sched_getaffinity(0))
# These read names and files and compile nothing: they need no Cython run and no libuv.
WITHOUT_COMPILER = {"egg_info", "dist_info", "sdist", "clean"}


def version() -> str:
    """`mesh.__version__`, read without importing it; a tree that holds the engine alone has none."""
    source = ROOT / "python" / "mesh" / "__init__.py"
    found = re.search(r'^__version__ = "([^"]+)"$', source.read_text() if source.exists() else "", re.MULTILINE)
    return found[1] if found else "0"


def pkg_config(*args: str) -> list[str]:
    """Flags for libuv; fails with the name of the Debian package that is missing."""
    try:
        return subprocess.check_output(["pkg-config", *args, "libuv"], text=True, stderr=subprocess.DEVNULL).split()
    except (OSError, subprocess.CalledProcessError):
        sys.exit("error: libuv was not found: install libuv1-dev, libre2-dev and pkg-config (Debian), or use a wheel")


def compile_args() -> tuple[list[str], list[str]]:
    sanitize = os.environ.get("MESH_SANITIZE", "")
    cflags = ["-fno-strict-aliasing", "-fvisibility=hidden", "-Wno-unused-function", "-Wno-unused-variable"]
    if sanitize:
        return [*cflags, "-O1", "-g", "-fno-omit-frame-pointer", f"-fsanitize={sanitize}"], [f"-fsanitize={sanitize}"]
    if os.environ.get("MESH_DEBUG"):
        return [*cflags, "-O1", "-g", "-UNDEBUG"], []
    return [*cflags, "-O3", "-g0", "-fno-semantic-interposition", "-fno-plt"], ["-Wl,-s", "-Wl,-O1"]


def modules(wheel: bool) -> list[Extension]:
    only = os.environ.get("MESH_ONLY", "*").split(",")
    cflags, ldflags = compile_args()
    uv_cflags, uv_libs = pkg_config("--cflags"), pkg_config("--libs")
    found = []
    for path in sorted((ROOT / CORE).rglob("*.pyx")):
        relative = path.relative_to(ROOT)
        name = ".".join(relative.with_suffix("").parts[1:])
        wanted = any(fnmatch.fnmatch(name, pattern) for pattern in only)
        if not wanted or (wheel and any(fnmatch.fnmatch(name, pattern) for pattern in DEVELOPMENT)):
            continue
        needs_uv = relative.parts[2] in NEEDS_UV
        found.append(
            Extension(
                name,
                [str(relative)],
                include_dirs=[str(CORE / "_native")],
                extra_compile_args=cflags + (uv_cflags if needs_uv else []),
                extra_link_args=ldflags + (uv_libs if needs_uv else []),
            )
        )
    return found


def cythonized(extensions: list[Extension]) -> list[Extension]:
    from Cython.Build import cythonize

    return cythonize(
        extensions,
        nthreads=JOBS,
        cache=os.environ.get("MESH_CYTHON_CACHE", False),
        quiet="--quiet" in sys.argv or "-q" in sys.argv,
        include_path=[str(CORE.parent)],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "binding": False,
            "freethreading_compatible": False,
        },
    )


def forbid_hints() -> None:
    """Turns Cython's performance hints into errors outside the cold folders."""
    from Cython.Compiler import Errors

    original = Errors.performance_hint

    def strict(position, message, env):
        path = str(position[0].get_description()) if position else ""
        if position and not any(f"/{cold}/" in path.replace(os.sep, "/") for cold in COLD):
            Errors.error(position, f"performance hint in a hot folder: {message}")
        else:
            original(position, message, env)

    Errors.performance_hint = strict
    # Each module of the compiler takes the name over when it is imported, and setuptools may have imported some of them before us.
    from Cython.Compiler import ExprNodes, Nodes, PyrexTypes, Symtab  # noqa: F401

    for name, module in list(sys.modules.items()):
        if name.startswith("Cython.Compiler.") and getattr(module, "performance_hint", None) is original:
            module.performance_hint = strict


class ParallelBuild(build_ext):
    """Compiles the C files of all modules side by side."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.parallel is None:
            self.parallel = JOBS


def native() -> dict[str, object]:
    """The keywords of setup() that need a compiler; none for a command that only reads names."""
    commands = {word for word in sys.argv[1:] if not word.startswith("-")}
    if commands & WITHOUT_COMPILER and not commands & {"build_ext", "bdist_wheel", "build", "install"}:
        return {}
    forbid_hints()
    return {
        "ext_modules": cythonized(modules(wheel="bdist_wheel" in commands)),
        "cffi_modules": [f"{CORE}/_native/picohttp_build.py:builder"],
        "cmdclass": {"build_ext": ParallelBuild},
    }


setup(
    version=version(),
    package_dir={"": "src", "mesh": "python/mesh"},
    packages=[*find_packages("src"), *("mesh" + ("." + p if p else "") for p in ["", *find_packages("python/mesh")])],
    package_data={"meshcore": ["**/*.pxd", "**/*.pyi", "**/*.h", "py.typed"], "mesh": ["py.typed"]},
    exclude_package_data={"": ["*.c", "*.cc"]},
    zip_safe=False,
    **native(),
)
