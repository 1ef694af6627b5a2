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
KEY_FORMAT = Fields("envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat", {"proper_case_words", "stateful_formatter"})
FORMATTER = Fields("envoy.config.core.v3.TypedExtensionConfig", {"name", "typed_config"})
PRESERVE = Fields(
    "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
    {"forward_reason_phrase", "formatter_type_on_envoy_headers"},
)
PROPER_CASE = 1  # PreserveCaseFormatterConfig.FormatterTypeOnEnvoyHeaders
UNDERSCORES = ("allow", "reject", "drop")


def lower(message: Any, low: Lowering, path: str) -> spec.Http1Options:
    HTTP1.check(message, low.report, path)
    KEY_FORMAT.check(message.header_key_format, low.report, join(path, "header_key_format"))
    preserve = _preserve_case(message.header_key_format, low, join(path, "header_key_format"))
    return spec.Http1Options(
        allow_absolute_url=wrapped_or(message, "allow_absolute_url", True),
        accept_http_10=message.accept_http_10,
        default_host_for_http_10=message.default_host_for_http_10,
        proper_case_words=message.header_key_format.WhichOneof("header_format") == "proper_case_words",
        preserve_case=preserve is not None,
        proper_case_added=preserve is not None and preserve.formatter_type_on_envoy_headers == PROPER_CASE,
        forward_reason_phrase=preserve is not None and preserve.forward_reason_phrase,
        enable_trailers=message.enable_trailers,
        allow_chunked_length=message.allow_chunked_length,
        send_fully_qualified_url=message.send_fully_qualified_url,
        allow_custom_methods=message.allow_custom_methods,
        ignore_upgrade=each(
            message.ignore_http_11_upgrade,
            join(path, "ignore_http_11_upgrade"),
            lambda item, at: matcher.lower_string(item, low, at),
        ),
    )


def _preserve_case(message: Any, low: Lowering, path: str) -> Any:
    """The PreserveCaseFormatterConfig of a HeaderKeyFormat; None without one."""
    if message.WhichOneof("header_format") != "stateful_formatter":
        return None
    at = join(path, "stateful_formatter")
    FORMATTER.check(message.stateful_formatter, low.report, at)
    at = join(at, "typed_config")
    found, _ = low.unpack(message.stateful_formatter.typed_config, at, {PRESERVE.message: True}, "a stateful formatter")
    if found is not None:
        PRESERVE.check(found, low.report, at)
    return found


def underscores(message: Any) -> str:
    """`headers_with_underscores_action` of an HttpProtocolOptions."""
    action = message.headers_with_underscores_action
    return UNDERSCORES[action] if action < len(UNDERSCORES) else "allow"
