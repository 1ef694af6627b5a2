"""Builds the native engine: every .pyx below src/meshcore becomes a module of the same name. They are linked into meshcore._engine, those
that need OpenSSL into meshcore._tls.

Owns the compiler settings, the package layout and the version it reads from `mesh`; all other metadata lives in pyproject.toml. Must not
download anything: the C source of picohttpparser comes from a pinned build dependency and is checked by its hash. Hot folders must compile
without a single performance hint (a hint means that some `nogil` call takes the GIL to look for an exception), so hints there are errors.
Called by pip in an isolated build, by `make build` in place, by .ci/asan in a tree of its own.

Environment: MESH_SANITIZE address,undefined    (used by `make asan`)
             MESH_DEBUG    1: -O1 -g, C asserts on
             MESH_CYTHON_CACHE   folder in which several trees share the C that Cython made (development)
"""

import ast
import fnmatch
import os
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

sys.path.insert(0, str(pathlib.Path(__file__).parent / "src/meshcore/_native"))
import direct_calls

ROOT = pathlib.Path(__file__).parent
CORE = pathlib.Path("src/meshcore")
COLD = {"bind"}  # the only folder that may hold Python objects
LIBRARIES = {"_engine": ["libuv", "liburing >= 2.3"], "_tls": ["libuv", "openssl >= 3.0"]}  # by shared object
# The faces are two thirds of the code and run when configuration changes: they are compiled for size, unless they run for each request, for
# each of thousands of clusters, or to be measured.
FAST_FACES = (
    "*.codec", "*.thrift", "*.thrift_values", "*.pyfilter", "*.pyview", "*.tables", "*.cluster_*",
    "*.stats", "*.record_*", "*bench",
)
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
    """Flags for libuv, liburing and OpenSSL; fails with the names of the Debian packages that are missing."""
    try:
        return subprocess.check_output(["pkg-config", *args], text=True, stderr=subprocess.DEVNULL).split()
    except (OSError, subprocess.CalledProcessError):
        packages = "libuv1-dev, liburing-dev, libssl-dev, libnghttp2-dev, libre2-dev and pkg-config"
        sys.exit(f"error: libuv, liburing or OpenSSL was not found: install {packages} (Debian), or use a wheel")


def compile_args() -> tuple[list[str], list[str]]:
    sanitize = os.environ.get("MESH_SANITIZE", "")
    cflags = ["-fno-strict-aliasing", "-fvisibility=hidden", "-Wno-unused-function", "-Wno-unused-variable"]
    if sanitize:
        return [*cflags, "-O1", "-g", "-fno-omit-frame-pointer", f"-fsanitize={sanitize}"], [f"-fsanitize={sanitize}"]
    if os.environ.get("MESH_DEBUG"):
        return [*cflags, "-O1", "-g", "-UNDEBUG"], []
    return [*cflags, "-O3", "-g0", "-fno-semantic-interposition", "-fno-plt"], ["-Wl,-s", "-Wl,-O1"]


def optimisation(module: str) -> list[str]:
    """Flags after those of compile_args."""
    face = module.startswith("meshcore.bind.") and not any(fnmatch.fnmatch(module, pattern) for pattern in FAST_FACES)
    plain = os.environ.get("MESH_SANITIZE") or os.environ.get("MESH_DEBUG")
    return ["-Os"] if face and not plain else []


def modules(wheel: bool) -> list[Extension]:
    """One for each .pyx; what they need to be compiled and linked stands in their own `# distutils:` lines."""
    found = []
    for path in sorted((ROOT / CORE).rglob("*.pyx")):
        relative = path.relative_to(ROOT)
        name = ".".join(relative.with_suffix("").parts[1:])
        if not (wheel and any(fnmatch.fnmatch(name, pattern) for pattern in DEVELOPMENT)):
            found.append(Extension(name, [str(relative)]))
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


def init_name(module: str) -> str:
    return "PyInit_" + module.replace(".", "_")


def apart() -> dict[str, tuple[str, ...]]:
    """`meshcore.APART`, read without importing it."""
    source = ROOT / CORE / "__init__.py"
    found = re.search(r"^APART = (.*)$", source.read_text(), re.MULTILINE)
    return ast.literal_eval(found[1]) if found else {}


class Engine(Extension):
    """A shared object of modules, which are Cython's, already C; its own source is the table that finds them."""

    def __init__(self, name: str, modules: list[Extension]) -> None:
        cflags, ldflags = compile_args()
        super().__init__(
            f"meshcore.{name}",
            [f"{CORE}/_native/engine_module.c"],
            include_dirs=[str(CORE / "_native")],
            depends=[str(path) for path in (ROOT / CORE / "_native").glob("*.h")],
            libraries=sorted({library for module in modules for library in module.libraries}),
            extra_compile_args=cflags + pkg_config("--cflags", *LIBRARIES[name]),
            extra_link_args=ldflags + pkg_config("--libs", *LIBRARIES[name]),
        )
        self.modules = modules


def engines(modules: list[Extension]) -> list[Engine]:
    shares = {library: [m for m in modules if f"{m.name}.".startswith(prefixes)] for library, prefixes in apart().items()}
    taken = {module.name for share in shares.values() for module in share}
    shares["_engine"] = [module for module in modules if module.name not in taken]
    return [Engine(library, share) for library, share in shares.items() if share]


class EngineBuild(build_ext):
    """Compiles the C files of all modules side by side, only those that changed, and links each shared object once."""

    def build_extensions(self) -> None:
        sources = [[source for m in e.modules for source in m.sources] for e in self.extensions if isinstance(e, Engine)]
        self.direct = direct_calls.rewritten(sources, pathlib.Path("build") / "direct")
        super().build_extensions()

    def build_extension(self, extension: Extension) -> None:
        if not isinstance(extension, Engine):
            super().build_extension(extension)
            return
        folder = pathlib.Path(self.build_temp) / extension.name
        table = self.write_table(folder, extension.modules)
        own_name = [("ENGINE_INIT", "PyInit_" + extension.name.rpartition(".")[2])]
        work = [(extension.sources[0], own_name, [*extension.depends, str(table)], [])]
        for module in extension.modules:
            # Cython calls the first function of a module PyInit_<last part of its name>; some of those are the same.
            own_name = [("PyInit_" + module.name.rpartition(".")[2], init_name(module.name))]
            flags = optimisation(module.name)
            work += [(self.direct.get(source, source), own_name, extension.depends, flags) for source in module.sources]
        with ThreadPoolExecutor(JOBS) as threads:
            objects = list(threads.map(lambda one: self.compile_one(extension, folder, *one), work))
        target = self.get_ext_fullpath(extension.name)
        if self.force or newer_group(objects, target):
            self.compiler.link_shared_object(
                objects,
                target,
                libraries=extension.libraries,
                extra_postargs=extension.extra_link_args,
                build_temp=self.build_temp,
                target_lang="c++",
            )

    def write_table(self, folder: pathlib.Path, modules: list[Extension]) -> pathlib.Path:
        table = folder / "engine_modules.h"
        text = "".join(f'ENGINE_MODULE("{module.name}", {init_name(module.name)})\n' for module in modules)
        if not table.exists() or table.read_text() != text:
            folder.mkdir(parents=True, exist_ok=True)
            table.write_text(text)
        return table

    def compile_one(
        self,
        extension: Engine,
        folder: pathlib.Path,
        source: str,
        macros: list[tuple[str, str]],
        depends: list[str],
        flags: list[str],
    ) -> str:
        (target,) = self.compiler.object_filenames([source], output_dir=str(folder))
        if self.force or newer_group([source, *depends], target):
            self.compiler.compile(
                [source],
                output_dir=str(folder),
                macros=macros,
                include_dirs=[*extension.include_dirs, str(folder)],
                extra_postargs=[*extension.extra_compile_args, *flags],
            )
        return target


def native() -> dict[str, object]:
    """The keywords of setup() that need a compiler; none for a command that only reads names."""
    commands = {word for word in sys.argv[1:] if not word.startswith("-")}
    if commands & WITHOUT_COMPILER and not commands & {"build_ext", "bdist_wheel", "build", "install"}:
        return {}
    forbid_hints()
    return {
        "ext_modules": engines(cythonized(modules(wheel="bdist_wheel" in commands))),
        "cffi_modules": [f"{CORE}/_native/picohttp_build.py:builder"],
        "cmdclass": {"build_ext": EngineBuild},
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
