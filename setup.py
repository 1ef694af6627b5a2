"""Builds the native engine: every .pyx below src/meshcore becomes one extension module of the same name.

Owns the compiler settings and nothing else; metadata lives in pyproject.toml. Hot folders must compile without a single
performance hint (a hint means that some `nogil` call takes the GIL to look for an exception), so hints there are errors.

Environment: MESH_ONLY     comma-separated patterns of module names to build (development)
             MESH_SANITIZE address,undefined    (used by `make asan`)
             MESH_DEBUG    1: -O1 -g, C asserts on
"""

import fnmatch
import os
import pathlib
import subprocess
import sys

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = pathlib.Path(__file__).parent
SOURCE = pathlib.Path("src")
COLD = {"bind"}  # the only folder that may hold Python objects
JOBS = os.cpu_count() or 1


def pkg_config(*args: str) -> list[str]:
    """Flags for libuv; fails with the name of the Debian package that is missing."""
    try:
        return subprocess.check_output(["pkg-config", *args, "libuv"], text=True).split()
    except (OSError, subprocess.CalledProcessError):
        sys.exit("error: libuv was not found: install libuv1-dev and pkg-config (Debian), or use a wheel")


def compile_args() -> tuple[list[str], list[str]]:
    sanitize = os.environ.get("MESH_SANITIZE", "")
    cflags = ["-fno-strict-aliasing", "-fvisibility=hidden", "-Wno-unused-function", "-Wno-unused-variable"]
    if sanitize:
        return [*cflags, "-O1", "-g", "-fno-omit-frame-pointer", f"-fsanitize={sanitize}"], [f"-fsanitize={sanitize}"]
    if os.environ.get("MESH_DEBUG"):
        return [*cflags, "-O1", "-g", "-UNDEBUG"], []
    return [*cflags, "-O3", "-g0", "-fno-semantic-interposition", "-fno-plt"], []


def modules() -> list[Extension]:
    only = os.environ.get("MESH_ONLY", "*").split(",")
    cflags, ldflags = compile_args()
    uv_cflags, uv_libs = pkg_config("--cflags"), pkg_config("--libs")
    found = []
    for path in sorted((ROOT / SOURCE / "meshcore").rglob("*.pyx")):
        relative = path.relative_to(ROOT)
        name = ".".join(relative.with_suffix("").parts[1:])
        if any(fnmatch.fnmatch(name, pattern) for pattern in only):
            needs_uv = relative.parts[2] in {"io", "run", "bind"}
            found.append(
                Extension(
                    name,
                    [str(relative)],
                    include_dirs=["src/meshcore/_native"],
                    extra_compile_args=cflags + (uv_cflags if needs_uv else []),
                    extra_link_args=ldflags + (uv_libs if needs_uv else []),
                )
            )
    return found


def cythonized(extensions: list[Extension]) -> list[Extension]:
    from Cython.Build import cythonize

    for extension in extensions:
        extension.cython_directives = {}
    return cythonize(
        extensions,
        nthreads=JOBS,
        include_path=[str(SOURCE)],
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
    from Cython.Compiler import ExprNodes, Nodes

    for module in (Nodes, ExprNodes):
        if hasattr(module, "performance_hint"):
            module.performance_hint = strict


class ParallelBuild(build_ext):
    """Compiles the C files of all modules side by side."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.parallel is None:
            self.parallel = JOBS


forbid_hints()
setup(
    package_dir={"": "src", "mesh": "python/mesh"},
    packages=[*find_packages("src"), *("mesh" + ("." + p if p else "") for p in ["", *find_packages("python/mesh")])],
    ext_modules=cythonized(modules()),
    cffi_modules=["src/meshcore/_native/picohttp_build.py:builder"],
    cmdclass={"build_ext": ParallelBuild},
    package_data={"meshcore": ["**/*.pxd", "**/*.pyi", "py.typed"], "mesh": ["py.typed"]},
    zip_safe=False,
)
