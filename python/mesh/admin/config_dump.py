"""/config_dump: the running configuration as envoy.admin.v3 messages in JSON, without secrets.

`resource` shows the elements of one repeated field (static_clusters), `mask` only some fields, `name_regex` (matched against whole names)
only some resources, `include_eds` the endpoints too. What a parameter may be and how it is refused is Envoy's. On a page's thread."""

from __future__ import annotations

import re
from typing import Any

from mesh.admin import dump_sections, field_mask
from mesh.admin.json_text import dumps, shown
from mesh.admin.pages import Query
from mesh.config import schema
from mesh.filters import Reply

PLAIN = "text/plain"


class Refused(Exception):
    """The answer is `status` with this text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def page(proxy: Any, query: Query) -> Reply:
    try:
        tree = dump(proxy, query.params)
    except Refused as error:
        return Reply(error.status, str(error), PLAIN)
    return Reply(200, dumps(tree), "application/json")


def dump(proxy: Any, params: dict[str, str]) -> dict[str, Any]:
    """The page as a JSON tree; raises Refused."""
    sections = dump_sections.sections(proxy, named(params.get("name_regex", "")), "include_eds" in params)
    resource, mask = params.get("resource", ""), params.get("mask", "")
    if resource:
        found = [masked(element, mask) for element in elements(sections, resource)]
    elif mask:
        found = masked_sections(sections, mask)
    else:
        found = sections
    configs = [{"@type": f"{schema.TYPE_PREFIX}{message.DESCRIPTOR.full_name}", **shown(message)} for message in found]
    return {"configs": configs} if configs else {}


def named(pattern: str) -> re.Pattern[str] | None:
    if not pattern:
        return None
    try:
        return re.compile(pattern)
    except re.error as error:
        raise Refused(400, f"INVALID_ARGUMENT: Error while parsing name_regex from {pattern}: {error}") from None


def elements(sections: list[Any], resource: str) -> list[Any]:
    """The messages in the repeated field `resource` of whichever section has it."""
    for section in sections:
        field = section.DESCRIPTOR.fields_by_name.get(resource)
        if field is None:
            continue
        if not schema.is_repeated(field):
            raise Refused(400, f"{resource} is not a repeated field. Use ?mask={resource} to get only this field")
        return list(getattr(section, resource))
    raise Refused(404, f"{resource} not found in config dump")


def masked(element: Any, mask: str) -> Any:
    if not mask:
        return element
    try:
        return field_mask.of_element(element, field_mask.paths(mask))
    except ValueError:
        listed = "".join(f'paths: "{path}"\n' for path in field_mask.paths(mask))
        raise Refused(400, f"FieldMask {listed} could not be successfully used.") from None


def masked_sections(sections: list[Any], mask: str) -> list[Any]:
    """The sections that have all fields of the mask, with these alone."""
    found = []
    for section in sections:
        try:
            found.append(field_mask.of_message(section, field_mask.paths(mask)))
        except ValueError:
            continue
    if not found:
        raise Refused(400, f"FieldMask {mask} could not be successfully applied to any configs.")
    return found
