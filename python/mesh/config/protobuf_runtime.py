"""Keeps protobuf's pure Python implementation out of a process in which its C implementation (upb) does the work.

`google.protobuf.descriptor_pool` imports `python_message` either way, and with it the text format, decoders, encoders and pickle: over a
megabyte and 20 ms of a start. A stand-in for it, placed before, imports the real one when it is first asked for anything, which upb's
users never do. Must not touch a process that has imported the real one, or whose protobuf has no upb. Called when `mesh.config` is
imported, on whatever thread that is."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from google.protobuf import internal
from google.protobuf.internal import api_implementation

NAME = "python_message"


class Later(ModuleType):
    """A module that is imported when an attribute of it is asked for; the import then takes this one's place in the package."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


if api_implementation.Type() == "upb" and not hasattr(internal, NAME):
    setattr(internal, NAME, Later(f"{internal.__name__}.{NAME}"))
