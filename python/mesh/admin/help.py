"""/help: the list of admin commands with their parameters, in Envoy's layout; also the body of the 404 for an unknown path.

Pure: reads the table of pages. Called on the pages' threads."""

from __future__ import annotations

from typing import Any

from mesh.admin.pages import CHECKBOX, PAGES, Query
from mesh.filters import Reply


def text() -> str:
    lines = ["admin commands are:"]
    for path, page in sorted(PAGES.items()):
        lines.append(f"  {path}{' (POST)' if page.post else ''}: {page.about}")
        for param in page.params:
            named = f"; One of ({', '.join(param.choices)})" if param.choices not in ((), CHECKBOX) else ""
            lines.append(f"      {param.name}: {param.about}{named}")
    return "\n".join(lines) + "\n"


def page(proxy: Any, query: Query) -> Reply:
    return Reply(200, text())
