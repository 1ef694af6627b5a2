"""The law of fields.py: what a table does not name is refused with its path, and tables name only what exists."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

from mesh.config import fields, schema
from mesh.config.errors import Report

TABLES = sorted(fields.TABLES)


def _message(table: str) -> Any:
    found = schema.message_class(table.partition("#")[0])
    assert found is not None, table
    return found()


def _set(message: Any, field: FieldDescriptor) -> None:
    """Sets `field` to something that is not its default."""
    target = getattr(message, field.name)
    if schema.is_map(field):
        key = "k" if field.message_type.fields_by_name["key"].cpp_type == FieldDescriptor.CPPTYPE_STRING else 1
        value = field.message_type.fields_by_name["value"]
        if value.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            target[key].SetInParent()
        else:
            target[key] = "v"
    elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        (target.add() if schema.is_repeated(field) else target).SetInParent()
    else:
        value = _scalar(field)
        if schema.is_repeated(field):
            target.append(value)
        else:
            setattr(message, field.name, value)


def _scalar(field: FieldDescriptor) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return next((value.number for value in field.enum_type.values if value.number), 0)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return b"x" if field.type == FieldDescriptor.TYPE_BYTES else "x"
    return True if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL else 1


@pytest.mark.parametrize("table", TABLES)
def test_a_table_names_only_fields_that_exist(table: str) -> None:
    names = {field.name for field in _message(table).DESCRIPTOR.fields}
    named = fields.TABLES[table]
    assert named.handled | named.described | set(named.harmless) | set(named.instead) <= names


@pytest.mark.parametrize("table", TABLES)
def test_every_field_outside_the_table_is_refused_by_its_path(table: str) -> None:
    named = fields.TABLES[table]
    descriptor = _message(table).DESCRIPTOR
    outside = [f for f in descriptor.fields if f.name not in named.handled | named.described | set(named.harmless)]
    for field in outside:
        message = _message(table)
        _set(message, field)
        report = Report()
        named.check(message, report, "here")
        with pytest.raises(ValueError, match=rf"^here\.{field.name}: '{field.name}' is not implemented yet in mesh; "):
            report.raise_if_any()


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_message_has_nothing_to_refuse(table: str) -> None:
    report = Report()
    fields.TABLES[table].check(_message(table), report, "here")
    assert not report.failed


def test_tables_cover_a_real_share_of_the_api() -> None:
    assert len(TABLES) >= 40
