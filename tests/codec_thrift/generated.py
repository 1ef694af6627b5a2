"""The service of directory.thrift as Debian's thrift-compiler generates it for Python."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

SERVICE = Path(__file__).parent / "directory.thrift"


@cache
def _generated(folder: str) -> ModuleType:
    compiler = shutil.which("thrift")
    assert compiler is not None, "thrift-compiler (Debian) is not installed; `make test` installs it"
    subprocess.run([compiler, "-r", "--gen", "py", "-out", folder, str(SERVICE)], check=True)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("directory.Directory")
    finally:
        sys.path.remove(folder)


def generate(folder: Path) -> ModuleType:
    """The module with Client and Processor; `folder` is written to unless it was generated before in this process."""
    found = sys.modules.get("directory.Directory")
    return found if found is not None else _generated(str(folder))
