"""/help and /: the list of admin commands."""

from __future__ import annotations

from typing import Any

from mesh.filters import Reply


def page(proxy: Any, query: Any) -> Reply:
    from mesh.admin.server import PAGES

    lines = ["admin commands are:"]
    for path, (_module, needs_post, about) in sorted(PAGES.items()):
        lines.append(f"  {path}{' (POST)' if needs_post else ''}: {about}")
    return Reply(200, "\n".join(lines) + "\n", "text/plain; charset=UTF-8")
