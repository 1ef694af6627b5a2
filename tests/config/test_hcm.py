"""HttpConnectionManager: Envoy's defaults, and each field's place in the plan."""

from __future__ import annotations

import pytest

from meshcore.bind import spec
from tests.config.plans import everything, hcm


def test_an_hcm_that_says_nothing_has_envoys_defaults() -> None:
    found = hcm()
    assert found == spec.Hcm(stat_prefix="ingress", routes=found.routes, filters=(spec.HttpFilter("router", "router"),))
    assert (found.max_request_headers_bytes, found.max_headers_count) == (61440, 100)
    assert (found.stream_idle_timeout_ms, found.idle_timeout_ms, found.delayed_close_timeout_ms) == (
        300_000,
        3_600_000,
        1000,
    )


def test_each_field_lands_where_the_engine_reads_it() -> None:
    found = everything().listeners[0].hcm
    assert found.server_name == "srv"
    assert found.server_header == "pass_through"
    assert found.scheme_overwrite == "https"
    assert found.max_request_headers_bytes == 96 * 1024
    assert found.max_headers_count == 7
    assert found.stream_idle_timeout_ms == 1000
    assert found.request_timeout_ms == 2000
    assert found.request_headers_timeout_ms == 3000
    assert found.drain_timeout_ms == 4000
    assert found.delayed_close_timeout_ms == 5
    assert found.idle_timeout_ms == 5000
    assert found.max_connection_duration_ms == 6000
    assert found.max_stream_duration_ms == 8000
    assert found.max_requests_per_connection == 9
    assert found.underscores == "reject"
    assert found.xff_num_trusted_hops == 2
    assert found.internal_cidrs == (("10.0.0.0", 8), ("::1", 128))
    assert found.internal_unix_sockets is True
    assert found.via == "vi"
    assert found.generate_request_id is False
    assert found.pack_trace_reason is False
    assert found.upgrades == (("websocket", True), ("connect", False))
    assert found.escaped_slashes == "redirect"
    assert (found.strip_matching_host_port, found.strip_any_host_port) == (True, False)
    assert everything().listeners[1].hcm.strip_any_host_port is True


def test_http1_options_of_both_sides() -> None:
    options = spec.Http1Options(
        allow_absolute_url=False,
        accept_http_10=True,
        default_host_for_http_10="old",
        proper_case_words=True,
        enable_trailers=True,
        allow_chunked_length=True,
        send_fully_qualified_url=True,
        allow_custom_methods=True,
        ignore_upgrade=(spec.StringMatch("prefix", "TLS", True),),
    )
    assert everything().listeners[0].hcm.http1 == options
    upstream = spec.Http1Options(preserve_case=True, proper_case_added=True, forward_reason_phrase=True)
    assert everything().clusters[0].http1 == upstream


@pytest.mark.parametrize(
    ("action", "word"),
    [
        ("IMPLEMENTATION_SPECIFIC_DEFAULT", ""),
        ("KEEP_UNCHANGED", "keep"),
        ("REJECT_REQUEST", "reject"),
        ("UNESCAPE_AND_REDIRECT", "redirect"),
        ("UNESCAPE_AND_FORWARD", "forward"),
    ],
)
def test_escaped_slash_actions(action: str, word: str) -> None:
    assert hcm(hcm={"path_with_escaped_slashes_action": action}).escaped_slashes == word


@pytest.mark.parametrize("word", ["overwrite", "append_if_absent", "pass_through"])
def test_server_header_transformations(word: str) -> None:
    assert hcm(hcm={"server_header_transformation": word.upper()}).server_header == word


@pytest.mark.parametrize("codec", ["AUTO", "HTTP1"])
def test_http1_is_accepted_by_either_name(codec: str) -> None:
    assert hcm(hcm={"codec_type": codec}).stat_prefix == "ingress"


def test_forwarding_of_client_certificates_is_kept() -> None:
    assert (hcm().forward_client_cert, hcm().cert_details) == ("sanitize", ())
    found = hcm(hcm={"forward_client_cert_details": "SANITIZE_SET", "set_current_client_cert_details": {"uri": True, "subject": True}})
    assert (found.forward_client_cert, found.cert_details) == ("sanitize_set", ("subject", "uri"))


def test_an_internal_address_config_without_ranges_trusts_nobody() -> None:
    assert hcm().internal_cidrs is None
    assert hcm(hcm={"internal_address_config": {}}).internal_cidrs == ()
