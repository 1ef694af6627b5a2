"""Field masks on messages of the config dump: a copy with the named fields alone.

Paths are of google.protobuf.FieldMask (`bootstrap.node.id,bootstrap.admin`): names as in the .proto, and only the last may be repeated. In
an element of the dump the first name may be an Any, and the rest of the path counts inside of it. Raises ValueError for a path that the
message does not have. Pure; called by /config_dump."""

from __future__ import annotations

from typing import Any

from mesh.config import schema

ANY = "google.protobuf.Any"


def paths(mask: str) -> list[str]:
    return [path for path in mask.split(",") if path]


def of_message(message: Any, wanted: list[str]) -> Any:
    from google.protobuf.field_mask_pb2 import FieldMask

    mask = FieldMask(paths=wanted)
    if not mask.IsValidForDescriptor(message.DESCRIPTOR):
        raise ValueError(f"{message.DESCRIPTOR.full_name} has not all of {wanted}")
    kept = type(message)()
    mask.MergeMessage(message, kept)
    return kept


def of_element(element: Any, wanted: list[str]) -> Any:
    """As `of_message`, through an Any."""
    inside: dict[str, list[str]] = {}
    plain = []
    for path in wanted:
        first, _, rest = path.partition(".")
        field = element.DESCRIPTOR.fields_by_name.get(first)
        if field is not None and field.message_type is not None and field.message_type.full_name == ANY:
            inside.setdefault(first, []).append(rest)
        else:
            plain.append(path)
    kept = of_message(element, plain)
    for name, inner in inside.items():
        packed = getattr(element, name)
        getattr(kept, name).type_url = packed.type_url
        getattr(kept, name).value = of_message(opened_any(packed), inner).SerializeToString(deterministic=True)
    return kept


def opened_any(packed: Any) -> Any:
    found = schema.message_class(schema.type_name(packed))
    if found is None:
        raise ValueError(f"{packed.type_url} is not known")
    message = found()
    message.ParseFromString(packed.value)
    return message
