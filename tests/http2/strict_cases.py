"""What a server must and must not take, section by section of RFC 9113 and RFC 7541, as conversations after the preface.

The sections and their points are those that the public conformance tool h2spec checks. A name begins with its section; each case is what
a client says. What has to come back is not written here: test_strict.py asks a real Envoy.
"""

from __future__ import annotations

from tests.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    POST,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    block,
    frame,
    head,
)

OPEN = head(fields=POST, flags=0)
BIG = 16384


def setting(number: int, value: int) -> bytes:
    return number.to_bytes(2, "big") + value.to_bytes(4, "big")


def update(stream: int, by: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, by.to_bytes(4, "big"))


def without(name: str) -> bytes:
    return head(fields=tuple(pair for pair in GET if pair[0] != name))


def raw_block(payload: bytes, stream: int = 1, flags: int = END_STREAM | END_HEADERS) -> bytes:
    return frame(HEADERS, flags, stream, payload)


CASES: dict[str, bytes] = {
    # --- generic: what every peer has to take
    "generic_get": head(),
    "generic_post_with_data": OPEN + frame(DATA, END_STREAM, 1, b"body"),
    "generic_post_with_trailers": OPEN + frame(DATA, 0, 1, b"body") + head(fields=(("x", "y"),)),
    "generic_padded_data": OPEN + frame(DATA, END_STREAM | PADDED, 1, b"\x03body\0\0\0"),
    "generic_padded_head": frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, b"\x02" + block(*GET) + b"\0\0"),
    "generic_head_with_priority": frame(HEADERS, END_STREAM | END_HEADERS | WITH_PRIORITY, 1, b"\0\0\0\0\x0f" + block(*GET)),
    "generic_head_padded_with_priority": frame(
        HEADERS, END_STREAM | END_HEADERS | PADDED | WITH_PRIORITY, 1, b"\x01\0\0\0\0\x0f" + block(*GET) + b"\0"
    ),
    "generic_head_in_two_frames": frame(HEADERS, END_STREAM, 1, block(*GET)[:3])
    + frame(CONTINUATION, END_HEADERS, 1, block(*GET)[3:]),
    "generic_head_with_empty_continuation": frame(HEADERS, END_STREAM, 1, block(*GET)) + frame(CONTINUATION, END_HEADERS, 1),
    "generic_priority_of_idle_stream": frame(PRIORITY, 0, 1, b"\0\0\0\0\x0f") + head(),
    "generic_ping": frame(PING, payload=b"12345678") + head(),
    "generic_settings": frame(SETTINGS, payload=setting(3, 100)) + head(),
    "generic_window_of_connection": update(0, 1) + head(),
    "generic_window_of_stream": OPEN + update(1, 1) + frame(DATA, END_STREAM, 1),
    "generic_two_streams": head(1) + head(3),
    "generic_head_method": head(fields=((":method", "HEAD"), *GET[1:])),
    # --- RFC 9113
    "4.1_unknown_frame": frame(0x16, 0, 0, b"12345678") + head(),
    "4.1_unknown_frame_on_stream": OPEN + frame(0x16, 0, 1, b"12345678") + frame(DATA, END_STREAM, 1),
    "4.1_unknown_flags": frame(PING, 0x16, 0, b"12345678") + head(),
    "4.1_reserved_bit": frame(PING, 0, 0x80000000, b"12345678") + head(),
    "4.2_data_too_long": OPEN + frame(DATA, END_STREAM, 1, b"x" * (BIG + 1)),
    "4.2_head_too_long": frame(HEADERS, END_STREAM | END_HEADERS, 1, block(*GET, ("x", "y" * BIG))),
    "4.2_settings_of_five_bytes": frame(SETTINGS, payload=b"12345"),
    "4.3_block_that_is_broken": raw_block(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    "4.3_priority_inside_a_head": frame(HEADERS, END_STREAM, 1, block(*GET)) + frame(PRIORITY, 0, 1, b"\0\0\0\0\x0f"),
    "4.3_head_of_another_stream_inside": frame(HEADERS, END_STREAM, 1, block(*GET)) + head(3),
    "5.1_idle_data": frame(DATA, END_STREAM, 1, b"x"),
    "5.1_idle_reset": frame(RST_STREAM, 0, 1, b"\0\0\0\x08"),
    "5.1_idle_window": update(1, 100),
    "5.1_idle_continuation": frame(CONTINUATION, END_HEADERS, 1, block(*GET)),
    "5.1_half_closed_data": OPEN + frame(DATA, END_STREAM, 1) + frame(DATA, END_STREAM, 1, b"x"),
    "5.1_reset_data": OPEN + frame(RST_STREAM, 0, 1, b"\0\0\0\x08") + frame(DATA, END_STREAM, 1, b"x"),
    "5.1_reset_head": OPEN + frame(RST_STREAM, 0, 1, b"\0\0\0\x08") + head(),
    "5.1_reset_continuation": OPEN + frame(RST_STREAM, 0, 1, b"\0\0\0\x08") + frame(CONTINUATION, END_HEADERS, 1, b"\x82"),
    "5.1.1_even_stream": head(2),
    "5.1.1_lower_stream": head(5) + head(3),
    "5.1.1_stream_zero": head(0),
    "5.3.1_head_depends_on_itself": frame(HEADERS, END_STREAM | END_HEADERS | WITH_PRIORITY, 1, b"\0\0\0\x01\x0f" + block(*GET)),
    "5.3.1_priority_depends_on_itself": OPEN + frame(PRIORITY, 0, 1, b"\0\0\0\x01\x0f"),
    "5.4.1_unknown_frame_inside_a_head": frame(HEADERS, END_STREAM, 1, block(*GET)) + frame(0x16, 0, 1, b"x"),
    "5.5_unknown_frame_inside_a_head_at_zero": frame(HEADERS, END_STREAM, 1, block(*GET)) + frame(0x16, 0, 0, b"x"),
    "6.1_data_on_zero": frame(DATA, END_STREAM, 0, b"x"),
    "6.1_padding_too_long": OPEN + frame(DATA, END_STREAM | PADDED, 1, b"\x05body"),
    "6.1_padding_without_length": OPEN + frame(DATA, END_STREAM | PADDED, 1),
    "6.2_continuation_missing": frame(HEADERS, END_STREAM, 1, block(*GET)) + frame(DATA, END_STREAM, 1),
    "6.2_padding_too_long": frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, b"\xff" + block(*GET)),
    "6.2_priority_cut_short": frame(HEADERS, END_STREAM | END_HEADERS | WITH_PRIORITY, 1, b"\0\0\0"),
    "6.3_priority_on_zero": frame(PRIORITY, 0, 0, b"\0\0\0\0\x0f"),
    "6.3_priority_of_four_bytes": OPEN + frame(PRIORITY, 0, 1, b"\0\0\0\0"),
    "6.4_reset_on_zero": frame(RST_STREAM, 0, 0, b"\0\0\0\x08"),
    "6.4_reset_of_three_bytes": OPEN + frame(RST_STREAM, 0, 1, b"\0\0\0"),
    "6.5_ack_with_payload": frame(SETTINGS, ACK, 0, b"123456"),
    "6.5_settings_on_a_stream": frame(SETTINGS, 0, 1, setting(3, 100)),
    "6.5_ack_that_nobody_asked_for": frame(SETTINGS, ACK) * 3 + head(),
    "6.5.2_push_of_two": frame(SETTINGS, payload=setting(2, 2)),
    "6.5.2_window_too_big": frame(SETTINGS, payload=setting(4, 2**31)),
    "6.5.2_frame_too_small": frame(SETTINGS, payload=setting(5, 16383)),
    "6.5.2_frame_too_big": frame(SETTINGS, payload=setting(5, 2**24)),
    "6.5.2_connect_protocol_of_two": frame(SETTINGS, payload=setting(8, 2)),
    "6.5.2_unknown_setting": frame(SETTINGS, payload=setting(0xFF, 1)) + head(),
    "6.5.3_same_setting_twice": frame(SETTINGS, payload=setting(4, 100) + setting(4, 1)) + head(),
    "6.6_push_from_a_client": frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02" + block(*GET)),
    "6.7_ping_on_a_stream": frame(PING, 0, 1, b"12345678"),
    "6.7_ping_of_seven_bytes": frame(PING, payload=b"1234567"),
    "6.7_ack_that_nobody_asked_for": frame(SETTINGS, ACK) + frame(PING, 0, 0, b"12345678") + head(),
    "6.8_goaway_on_a_stream": frame(GOAWAY, 0, 1, bytes(8)),
    "6.8_goaway_of_seven_bytes": frame(GOAWAY, payload=bytes(7)),
    "6.9_window_by_zero": update(0, 0),
    "6.9_window_by_zero_on_a_stream": OPEN + update(1, 0),
    "6.9_window_of_three_bytes": frame(WINDOW_UPDATE, payload=b"\0\0\x01"),
    "6.9.1_window_of_connection_overflows": update(0, 2**31 - 1),
    "6.9.1_window_of_stream_overflows": OPEN + update(1, 2**31 - 1),
    "6.9.2_settings_overflow_a_window": OPEN + update(1, 2**30) + frame(SETTINGS, payload=setting(4, 2**31 - 1)),
    "6.10_continuation_of_another_stream": frame(HEADERS, END_STREAM, 1, block(*GET)) + frame(CONTINUATION, END_HEADERS, 3, b"\x82"),
    "6.10_continuation_on_zero": frame(HEADERS, END_STREAM, 1, block(*GET)) + frame(CONTINUATION, END_HEADERS, 0, b"\x82"),
    "6.10_continuation_after_a_whole_head": head(flags=0, fields=POST) + frame(CONTINUATION, END_HEADERS, 1, b"\x82"),
    "6.10_continuation_after_data": OPEN + frame(DATA, 0, 1, b"x") + frame(CONTINUATION, END_HEADERS, 1, b"\x82"),
    "7_reset_with_unknown_code": OPEN + frame(RST_STREAM, 0, 1, b"\0\0\0\xff"),
    "8.1_trailers_that_do_not_end": OPEN + frame(HEADERS, END_HEADERS, 1, block(("x", "y"))),
    "8.1_pseudo_field_in_trailers": OPEN + head(fields=((":method", "GET"),)),
    "8.2.1_upper_case_name": raw_block(block(*GET) + b"\0\x03X-A\x01b"),
    "8.2.1_space_in_name": raw_block(block(*GET) + b"\0\x03x a\x01b"),
    "8.2.1_colon_in_name": raw_block(block(*GET) + b"\0\x03x:a\x01b"),
    "8.2.1_empty_name": raw_block(block(*GET) + b"\0\0\x01b"),
    "8.2.1_line_feed_in_value": head(1, ("x-a", "b\nc")),
    "8.2.1_carriage_return_in_value": head(1, ("x-a", "b\rc")),
    "8.2.1_zero_in_value": head(1, ("x-a", "b\0c")),
    "8.2.1_space_before_value": head(1, ("x-a", " b")),
    "8.2.1_space_after_value": head(1, ("x-a", "b ")),
    "8.2.2_connection": head(1, ("connection", "keep-alive")),
    "8.2.2_transfer_encoding": head(1, ("transfer-encoding", "chunked")),
    "8.2.2_upgrade": head(1, ("upgrade", "foo")),
    "8.2.2_keep_alive": head(1, ("keep-alive", "timeout=5")),
    "8.2.2_proxy_connection": head(1, ("proxy-connection", "keep-alive")),
    "8.2.2_te_gzip": head(1, ("te", "gzip")),
    "8.2.2_te_trailers": head(1, ("te", "trailers")),
    "8.3_unknown_pseudo_field": head(1, (":test", "x")),
    "8.3_status_in_a_request": head(fields=((":status", "200"), *GET)),
    "8.3_pseudo_field_after_others": head(fields=(*GET[:3], ("x", "y"), GET[3])),
    "8.3.1_path_empty": head(fields=(*GET[:2], (":path", ""), GET[3])),
    "8.3.1_path_without_slash": head(fields=(*GET[:2], (":path", "x"), GET[3])),
    "8.3.1_no_method": without(":method"),
    "8.3.1_no_scheme": without(":scheme"),
    "8.3.1_no_path": without(":path"),
    "8.3.1_no_authority": without(":authority"),
    "8.3.1_host_in_place_of_authority": head(fields=(*GET[:3], ("host", "a"))),
    "8.3.1_host_that_differs": head(1, ("host", "b")),
    "8.3.1_method_twice": head(fields=(GET[0], *GET)),
    "8.3.1_scheme_twice": head(fields=(GET[1], *GET)),
    "8.3.1_path_twice": head(fields=(GET[2], *GET)),
    "8.3.1_authority_twice": head(fields=(GET[3], *GET)),
    "8.3.1_scheme_unknown": head(fields=(GET[0], (":scheme", "ftp"), *GET[2:])),
    "8.3.1_authority_with_user": head(fields=(*GET[:3], (":authority", "u@a"))),
    "8.3.1_method_with_space": head(fields=((":method", "GE T"), *GET[1:])),
    "8.1.1_length_too_big": head(1, ("content-length", "9"), fields=POST, flags=0) + frame(DATA, END_STREAM, 1, b"body"),
    "8.1.1_length_too_small": head(1, ("content-length", "1"), fields=POST, flags=0) + frame(DATA, END_STREAM, 1, b"body"),
    "8.1.1_length_without_body": head(1, ("content-length", "4"), fields=POST),
    "8.1.1_lengths_that_differ": head(1, ("content-length", "4"), ("content-length", "5"), fields=POST, flags=0)
    + frame(DATA, END_STREAM, 1, b"body"),
    "8.1.1_length_of_letters": head(1, ("content-length", "x"), fields=POST, flags=0) + frame(DATA, END_STREAM, 1, b"body"),
    "8.2.3_cookies_in_crumbs": head(1, ("cookie", "a=b"), ("cookie", "c=d")),
    "8.5_connect_with_path": head(fields=((":method", "CONNECT"), *GET[1:])),
    "8.5_protocol_with_get": head(fields=(*GET, (":protocol", "websocket"))),
    # --- RFC 7541
    "hpack_2.3.3_index_beyond_the_table": raw_block(block(*GET) + b"\xfe"),
    "hpack_2.3.3_name_beyond_the_table": raw_block(block(*GET) + b"\x7f\x20\x01a"),
    "hpack_4.2_size_update_at_the_end": raw_block(block(*GET) + b"\x20"),
    "hpack_5.2_padding_longer_than_seven_bits": raw_block(block(*GET) + b"\0\x01x\x82\x1f\xff"),
    "hpack_5.2_padding_of_zeros": raw_block(block(*GET) + b"\0\x01x\x81\x18"),
    "hpack_5.2_end_of_string": raw_block(block(*GET) + b"\0\x01x\x84\xff\xff\xff\xff"),
    "hpack_6.1_index_zero": raw_block(block(*GET) + b"\x80"),
    "hpack_6.3_size_beyond_the_limit": raw_block(b"\x3f\xe1\xff\x03" + block(*GET)),
    "hpack_6.3_size_of_zero": raw_block(b"\x20" + block(*GET)),
    "hpack_string_longer_than_the_block": raw_block(block(*GET) + b"\0\x01x\x7f"),
    "hpack_never_indexed": raw_block(block(*GET) + b"\x10\x01x\x01y"),
}
