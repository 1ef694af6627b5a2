"""An explanation for people: a tree of what was looked at, and a table of what will be done. Only the command uses it."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from mesh.explain.model import Explanation, Step

ACTIONS = {
    "forward": ("green", "is forwarded"),
    "redirect": ("yellow", "is redirected"),
    "direct_response": ("yellow", "is answered directly"),
    "https": ("yellow", "is redirected to https"),
    "none": ("red", "finds no route: 404"),
}


def show(found: Explanation, console: Console) -> None:
    request = found.request
    origin = next((step.origin for step in found.steps if step.origin), "")
    url = f"{request.scheme}://{request.host}{request.path}"
    console.print(Text.assemble((request.method, "bold"), " ", (url, "bold cyan"), (f"  by {origin}" if origin else "", "dim")))
    for name, value in request.headers:
        console.print(Text(f"  {name}: {value}", style="dim"))
    for step in found.steps:
        console.print(_tree(step))
    style, words = ACTIONS[found.action]
    console.print(Panel(_result(found), title=f"[bold {style}]{words}[/]", title_align="left", border_style=style, expand=False))


def _label(step: Step) -> Text:
    mark = ("✓ ", "bold green") if step.ok else ("· ", "dim") if step.kind == "skipped" else ("✗ ", "red")
    parts: list[tuple[str, str]] = [mark, (step.title, "bold" if step.ok else ""), ("  ", ""), (step.why, "" if step.ok else "dim")]
    if step.path:
        # The way to the table is the same for all; JSON has it whole.
        place = f"  line {step.line}" if step.line else ""
        parts.append((f"\n  {step.path.rpartition('route_config.')[2]}{place}", "blue"))
    return Text.assemble(*parts, overflow="fold")


def _tree(step: Step, tree: Tree | None = None) -> Tree:
    node = Tree(_label(step)) if tree is None else tree.add(_label(step))
    for inner in step.inner:
        _tree(inner, node)
    return node


def _result(found: Explanation) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    if found.route is not None:
        table.add_row("route", escape(found.route_name or f"route {found.route} of virtual host '{found.virtual_host}'"))
    for subject, words in found.facts:
        table.add_row(subject, escape(words))
    if not found.facts and found.route is None:
        missing = "scope" if any(step.kind == "scope" and not step.ok for step in found.steps) else "virtual host"
        where = f"virtual host '{found.virtual_host}' has no route for it" if found.virtual_host else f"no {missing} takes it"
        table.add_row("reason", escape(where))
    if not found.notes:
        return table
    return Group(table, *(Text(f"note: {note}", style="italic") for note in found.notes))
