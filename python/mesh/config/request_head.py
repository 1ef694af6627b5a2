"""Extensions of the connection manager that treat a request head before it is routed.

Where the client's address is found (original_ip_detection_extensions) and header mutations that come before everything
else (early_header_mutation_extensions). Order counts in both lists and stays. Envoy allows the former only without
use_remote_address and xff_num_trusted_hops, which answer the same question. Called by hcm.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import header_mutation
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, wrapped_or
from meshcore.bind import spec

XFF = Fields("envoy.extensions.http.original_ip_detection.xff.v3.XffConfig", {"xff_num_trusted_hops", "skip_xff_append"})
CUSTOM = Fields(
    "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig",
    {"header_name", "allow_extension_to_set_address_as_trusted", "reject_with_status"},
)
EARLY = Fields("envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", {"mutations"})
MUTATION = Fields("envoy.config.common.mutation_rules.v3.HeaderMutation", {"remove", "append"})
REJECT_DEFAULT = 403


def lower_ip_sources(message: Any, low: Lowering, path: str) -> tuple[spec.IpSource, ...]:
    at = join(path, "original_ip_detection_extensions")
    if not message.original_ip_detection_extensions:
        return ()
    for name in ("use_remote_address", "xff_num_trusted_hops"):
        value = getattr(message, name)
        if getattr(value, "value", value):
            low.refuse(at, f"'{name}' is set as well, and only one of the two may be")
    found = each(message.original_ip_detection_extensions, at, lambda item, here: _ip_source(item, low, here))
    return tuple(item for item in found if item is not None)


def _ip_source(item: Any, low: Lowering, path: str) -> spec.IpSource | None:
    at = join(path, "typed_config")
    config, table = low.unpack(item.typed_config, at, {XFF.message: XFF, CUSTOM.message: CUSTOM}, "a way to find the client's address")
    if config is None:
        return None
    table.check(config, low.report, at)
    if table is XFF:
        return spec.IpSource(hops=config.xff_num_trusted_hops, append=not wrapped_or(config, "skip_xff_append", True))
    status = 0
    if config.HasField("reject_with_status"):
        status = config.reject_with_status.code
        status = status if status >= 400 else REJECT_DEFAULT
    return spec.IpSource(
        header=config.header_name.lower(),
        trusted=config.allow_extension_to_set_address_as_trusted,
        reject_status=status,
    )


def lower_early(items: Any, low: Lowering, path: str) -> tuple[spec.HeaderMutation, ...]:
    found: list[spec.HeaderMutation] = []
    for index, item in enumerate(items):
        at = f"{path}[{index}].typed_config"
        config, table = low.unpack(item.typed_config, at, {EARLY.message: EARLY}, "an early header mutation")
        if config is not None:
            table.check(config, low.report, at)
            found += each(config.mutations, join(at, "mutations"), lambda one, here: lower_mutation(one, low, here))
    return tuple(found)


def lower_mutation(message: Any, low: Lowering, path: str) -> spec.HeaderMutation:
    MUTATION.check(message, low.report, path)
    if message.WhichOneof("action") == "append":
        (add,) = header_mutation.lower_add([message.append], low, join(path, "append"))
        return spec.HeaderMutation(request_add=(add,))
    return spec.HeaderMutation(request_remove=(message.remove.lower(),))
