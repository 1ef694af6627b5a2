"""envoy.extensions.filters.http.ip_tagging.v3.IPTagging. Called by native_filter.py."""

from __future__ import annotations

from typing import Any

from mesh.config import address
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind.filter_spec import IpTagging

PACKAGE = "envoy.extensions.filters.http.ip_tagging.v3.IPTagging"
TAGGING = Fields(PACKAGE, {"request_type", "ip_tags", "ip_tag_header"})
TAG = Fields(f"{PACKAGE}.IPTag", {"ip_tag_name", "ip_list"})
HEADER = Fields(f"{PACKAGE}.IpTagHeader", {"header", "action"})
REQUEST_TYPES = ("both", "internal", "external")
APPEND_IF_EXISTS_OR_ADD = 1


def lower(message: Any, low: Lowering, path: str) -> IpTagging:
    TAGGING.check(message, low.report, path)
    HEADER.check(message.ip_tag_header, low.report, join(path, "ip_tag_header"))
    return IpTagging(
        request_type=REQUEST_TYPES[message.request_type],
        tags=each(message.ip_tags, join(path, "ip_tags"), lambda item, here: _tag(item, low, here)),
        header=message.ip_tag_header.header.lower(),
        append=message.ip_tag_header.action == APPEND_IF_EXISTS_OR_ADD,
    )


def _tag(message: Any, low: Lowering, path: str) -> tuple[str, tuple[tuple[str, int], ...]]:
    TAG.check(message, low.report, path)
    return message.ip_tag_name, each(message.ip_list, join(path, "ip_list"), lambda item, here: address.lower_cidr(item, low, here))
