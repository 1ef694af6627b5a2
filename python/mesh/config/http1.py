"""Http1ProtocolOptions and HttpProtocolOptions, which listeners and clusters share.

One lowering for both sides, because a field means the same on each; what only one side reads (accept_http_10 on a
cluster) is kept anyway and changes nothing, as in Envoy. The table of HttpProtocolOptions differs per side and stands
in hcm.py and upstream_http.py."""

from __future__ import annotations

from typing import Any

from mesh.config import matcher
from mesh.config.errors import join
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering, each, wrapped_or
from meshcore.bind import spec

HTTP1 = Fields(
    "envoy.config.core.v3.Http1ProtocolOptions",
    {
        "allow_absolute_url", "accept_http_10", "default_host_for_http_10", "header_key_format", "enable_trailers",
        "allow_chunked_length", "override_stream_error_on_invalid_http_message", "send_fully_qualified_url",
        "allow_custom_methods", "ignore_http_11_upgrade",
    },
    harmless={"use_balsa_parser": anything},
)  # fmt: skip
KEY_FORMAT = Fields("envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat", {"proper_case_words"})
UNDERSCORES = ("allow", "reject", "drop")


def lower(message: Any, low: Lowering, path: str) -> spec.Http1Options:
    HTTP1.check(message, low.report, path)
    KEY_FORMAT.check(message.header_key_format, low.report, join(path, "header_key_format"))
    return spec.Http1Options(
        allow_absolute_url=wrapped_or(message, "allow_absolute_url", True),
        accept_http_10=message.accept_http_10,
        default_host_for_http_10=message.default_host_for_http_10,
        proper_case_words=message.header_key_format.WhichOneof("header_format") == "proper_case_words",
        enable_trailers=message.enable_trailers,
        allow_chunked_length=message.allow_chunked_length,
        send_fully_qualified_url=message.send_fully_qualified_url,
        allow_custom_methods=message.allow_custom_methods,
        override_stream_error=wrapped_or(message, "override_stream_error_on_invalid_http_message", False),
        ignore_upgrade=each(
            message.ignore_http_11_upgrade,
            join(path, "ignore_http_11_upgrade"),
            lambda item, at: matcher.lower_string(item, low, at),
        ),
    )


def underscores(message: Any) -> str:
    """`headers_with_underscores_action` of an HttpProtocolOptions."""
    action = message.headers_with_underscores_action
    return UNDERSCORES[action] if action < len(UNDERSCORES) else "allow"
