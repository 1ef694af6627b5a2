"""Reads Markdown for the tests of the papers: code blocks with their language and file name, links; and loads what writes them.

A block is a file when the line before it is `<!-- file: NAME -->`. Must not know which paper it reads, nor run anything.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?:^<!-- file: (\S+) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


@dataclass(frozen=True)
class Block:
    """One fenced block. `file`: its name, or None; `line`: where its text begins in the paper."""

    paper: str
    line: int
    language: str
    text: str
    file: str | None


def blocks(path: Path) -> list[Block]:
    text = path.read_text()
    return [
        Block(path.name, text.count("\n", 0, found.start(3)) + 1, found[2], found[3], found[1]) for found in BLOCK.finditer(text)
    ]


def links(path: Path) -> list[str]:
    """Targets inside the repository."""
    return LINK.findall(path.read_text())


def commands(path: Path) -> list[list[str]]:
    """Command lines of the console blocks, comments taken off."""
    lines = [line for block in blocks(path) if block.language == "console" for line in block.text.splitlines()]
    return [line[2:].partition("#")[0].split() for line in lines if line.startswith("$ ")]


def papers() -> list[Path]:
    """Every Markdown file that people read."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


def writer(name: str) -> ModuleType:
    """The script docs/NAME.py as a module (`docs` itself is the name of this package)."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
