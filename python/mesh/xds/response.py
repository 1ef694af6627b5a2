"""A DiscoveryResponse in a file: YAML, JSON, binary or text protobuf, by the file's extension.

`read` answers the resources as messages of the wanted type, which Envoy's own rules have been checked on. A file that is no response at
all raises Unreadable; one whose resources are wrong raises ConfigError, with the path and line of every problem. Starts nothing; any
thread."""

from __future__ import annotations

from functools import partial
from typing import Any

from google.protobuf.message import DecodeError

from mesh.config import ConfigError, Problem, rules, schema
from mesh.config import source as sources
from mesh.config.errors import Report, join
from meshcore.bind.record import record

WRAPPER = "envoy.service.discovery.v3.Resource"


class Unreadable(ConfigError):
    """The file cannot be read or is no DiscoveryResponse."""


@record
class Response:
    """What a file said. `report()` makes a list for further problems of it."""

    version: str
    resources: tuple[Any, ...]
    source: sources.Source

    def report(self) -> Report:
        return Report(self.source.origin, partial(_locate, self.source))

    def locate(self, path: str) -> tuple[str, int, str]:
        """(file, line, path as it is written there) of a path that begins with `resources[N]`."""
        return _locate(self.source, path)


def read(path: str, full_name: str) -> Response:
    """The response in the file `path`, whose resources must be messages `full_name`."""
    from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse

    message = DiscoveryResponse()
    try:
        source = sources.from_path(path)
        report = Report(source.origin, partial(_locate, source))
        source.merge_into(message, report)
        report.raise_if_any()
    except ConfigError as error:
        raise Unreadable(error.problems) from None
    kind = schema.message_class(full_name)
    resources = tuple(_resource(item, kind, report, f"resources[{index}]") for index, item in enumerate(message.resources))
    report.raise_if_any()
    return Response(message.version_info, resources, source)


def _resource(packed: Any, kind: Any, report: Report, path: str) -> Any:
    found = kind()
    try:
        if schema.type_name(packed) == WRAPPER:
            wrapper: Any = schema.message_class(WRAPPER)
            packed, path = wrapper.FromString(packed.value).resource, join(path, "resource")
        if schema.type_name(packed) != kind.DESCRIPTOR.full_name:
            report.refuse(join(path, "@type"), f"'{schema.type_name(packed)}' is no {kind.DESCRIPTOR.full_name}")
        else:
            found.ParseFromString(packed.value)
            rules.check(found, report, path)
    except DecodeError:
        report.refuse(path, f"the bytes are no {kind.DESCRIPTOR.full_name}")
    return found


def _locate(source: sources.Source, path: str) -> tuple[str, int, str]:
    line, _whole, shown = source.locate(path)
    return source.origin, line, shown


def single(response: Response, name: str, named: Any, what: str) -> Any:
    """The only resource of a response, which must be called `name`; raises ConfigError as Envoy words it."""
    if len(response.resources) != 1:
        raise ConfigError([Problem("resources", f"Unexpected {what} resource length: {len(response.resources)}", response.source.origin)])
    found = response.resources[0]
    if named(found) != name:
        text = f"Unexpected {what} (expecting {name}): {named(found)}"
        raise ConfigError([Problem("resources[0]", text, response.source.origin)])
    return found
