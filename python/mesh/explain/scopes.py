"""From a request to the scope whose routes serve it (scoped routes). What comes out is compared with the compiled table in __init__.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mesh.config import Locate
from mesh.explain import files
from mesh.explain.model import Request, Step
from mesh.xds import scopes as resources
from mesh.xds.response import Response
from meshcore.bind import spec

PathOf = Callable[[str, spec.RouteScope], str]
EACH_MAX = 40  # scopes of another key that are shown one by one
RESOURCES = "scopes"  # what paths in a file of scopes begin with: those in a file of routes look the same


def inline_path(path: str, scope: spec.RouteScope) -> str:
    """The table of a scope that stands in the configuration."""
    return f"{path}.scoped_route_configurations_list.scoped_route_configurations[{scope.place}].route_configuration"


def value_of(part: spec.KeyPart, request: Request) -> tuple[str | None, str]:
    """(what a part of the key is, how it was found); None: the request says nothing of it."""
    values = request.values(part.header.lower())
    if not values:
        return None, f"the request has no header {part.header}"
    elements = values[0].split(part.separator) if part.separator else [values[0]]
    if part.name is None:
        if part.place >= len(elements):
            return None, f"header {part.header} has {len(elements)} elements, and no number {part.place}"
        return elements[part.place], f"header {part.header} says '{elements[part.place]}'"
    for element in elements:
        name, _, value = element.partition(part.equals)
        if name == part.name:
            return value, f"header {part.header} says '{value}' for '{name}'"
    return None, f"header {part.header} has no element '{part.name}'"


def find(scopes: spec.Scopes, request: Request, path: str, of_scope: PathOf) -> tuple[spec.RouteScope | None, Step]:
    """(the scope, how it was found); the path of the step is that of the scope's table."""
    step = Step("scope", "scope", False, "", path)
    found = [value_of(part, request) for part in scopes.parts]
    for value, why in found:
        if value is None:
            step.why = why
            return None, step
    key = tuple(value for value, _why in found)
    chosen = next((one for one in scopes.scopes if one.key == key), None)
    step.why = "; ".join(why for _value, why in found)
    if chosen is not None:
        step.title, step.ok, step.path = f"scope '{chosen.name}'", True, of_scope(path, chosen)
    else:
        step.why += f"; none of {len(scopes.scopes)} scopes has this key"
    for one in [one for one in scopes.scopes if one is not chosen][:EACH_MAX]:
        text = "its key is " + ", ".join(f"'{part}'" for part in one.key)
        step.inner.append(Step("scope", f"scope '{one.name}'", False, text, of_scope(path, one)))
    return chosen, step


class Files:
    """The scopes of a connection manager that reads them from a file, with the tables that they name. Raises as `explain` does."""

    def __init__(self, loaded: Any, source: spec.ScopeSource) -> None:
        self._loaded = loaded
        self._read: dict[spec.RouteSource, tuple[spec.RouteTable, Response]] = {}
        self._response = files.response(source.source.path, resources.SCOPE)
        self._found = resources.lower(source, self._response, files.lowering(loaded, self._response))
        self.table = resources.table(source, self._found, self._table)

    def _table(self, source: spec.RouteSource) -> spec.RouteTable:
        if source not in self._read:
            self._read[source] = files.table(self._loaded, source)
        return self._read[source][0]

    def path(self, path: str, scope: spec.RouteScope) -> str:
        """Of a scope's table; it is in a file of its own when the scope but names it."""
        if isinstance(self._found[scope.place].routes, spec.RouteSource):
            return files.RESOURCE
        return f"{path}.resources[{scope.place}].route_configuration"

    def located(self, bootstrap: Locate, chosen: str) -> Locate:
        """Where paths are written: in the bootstrap, in the file of scopes, in that of the chosen scope's routes ("": none is chosen)."""
        source = next((one.routes for one in self._found if one.name == chosen), None)
        table = self._read[source][1].locate if isinstance(source, spec.RouteSource) else None

        def locate(path: str) -> tuple[str, int, str]:
            if table is not None and path.startswith(files.RESOURCE):
                return table(path)
            inner = path.removeprefix(f"{RESOURCES}.")
            return self._response.locate(inner) if inner != path else bootstrap(path)

        return locate
