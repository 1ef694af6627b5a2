"""/: the home page for a browser: each command as a link, a form for its parameters, and a button where it needs POST.

Pure: reads the table of pages. Loads nothing from elsewhere, runs no script, and quotes every text. Called on the pages' threads."""

from __future__ import annotations

from html import escape
from typing import Any

from mesh.admin.pages import CHECKBOX, PAGES, Page, Param, Query
from mesh.filters import Reply

HEAD = """<!DOCTYPE html>
<html lang='en'>
<head>
  <title>Envoy Admin</title>
  <style>
    body, button, input, select { font-family: sans-serif; font-size: medium; }
    td { padding: 4px; text-align: left; vertical-align: top; }
    tr:nth-child(even) { background: #eee; }
    form { margin: 0; }
    label { display: block; padding-left: 20px; }
  </style>
</head>
<body>
  <table>
    <thead><tr><th>Command</th><th>Description</th></tr></thead>
    <tbody>
"""
TAIL = "    </tbody>\n  </table>\n</body>\n</html>\n"


def field(param: Param) -> str:
    name = escape(param.name)
    if param.choices == CHECKBOX:
        entry = f"<input type='checkbox' name='{name}'>"
    elif param.choices:
        first = "" if "" in param.choices else "<option value='' selected></option>"
        options = "".join(f"<option value='{escape(choice)}'>{escape(choice)}</option>" for choice in param.choices)
        entry = f"<select name='{name}'>{first}{options}</select>"
    else:
        entry = f"<input type='text' name='{name}'>"
    return f"<label>{name} {entry} {escape(param.about)}</label>"


def row(path: str, page: Page) -> str:
    name = escape(path.lstrip("/"))
    if not page.post and not page.params:
        command = f"<a href='{name}'>{name}</a>"
    else:
        method = "post" if page.post else "get"
        command = f"<form action='{name}' method='{method}'><button>{name}</button>{''.join(map(field, page.params))}</form>"
    return f"      <tr><td>{command}</td><td>{escape(page.about)}</td></tr>\n"


def page(proxy: Any, query: Query) -> Reply:
    rows = "".join(row(path, page) for path, page in sorted(PAGES.items()) if path != "/")
    return Reply(200, HEAD + rows + TAIL, "text/html; charset=UTF-8")
