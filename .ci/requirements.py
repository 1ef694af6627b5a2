"""Prints what pyproject.toml asks for, one requirement a line, so that it is said in one place.

Arguments: `build` (build-system.requires), `runtime` (dependencies), or the name of an extra. Reads one file, imports nothing of ours.
Called by .ci/setup and .ci/wheel with the interpreter of the environment.
"""

import sys
import tomllib
from pathlib import Path


def requirements(names: list[str]) -> list[str]:
    """The requirements of `names`, each once, in their order."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    groups = {
        "build": project["build-system"]["requires"],
        "runtime": project["project"]["dependencies"],
        **project["project"]["optional-dependencies"],
    }
    unknown = [name for name in names if name not in groups]
    if unknown:
        raise SystemExit(f"error: {', '.join(unknown)} is not among {', '.join(groups)}")
    return list(dict.fromkeys(one for name in names for one in groups[name]))


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1:])))
