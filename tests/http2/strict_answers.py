"""What a host must not say, section by section of RFC 9113 and RFC 7541: its answers to a GET on stream 1, after its settings.

As strict_cases.py, from the other side. Each answer ends the request in some way.
"""

from __future__ import annotations

from tests.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
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

STATUS = ((":status", "200"),)
OK = head(fields=STATUS)
BEGUN = head(fields=STATUS, flags=0)
END = frame(DATA, END_STREAM, 1, b"body")


def answer(*fields: tuple[str, str]) -> bytes:
    return head(fields=fields)


def setting(number: int, value: int) -> bytes:
    return frame(SETTINGS, payload=number.to_bytes(2, "big") + value.to_bytes(4, "big"))


def raw(payload: bytes) -> bytes:
    return frame(HEADERS, END_STREAM | END_HEADERS, 1, payload)


ANSWERS: dict[str, bytes] = {
    "generic_head": OK,
    "generic_body": BEGUN + END,
    "generic_trailers": BEGUN + frame(DATA, 0, 1, b"body") + answer(("x", "y")),
    "generic_interim": head(fields=((":status", "103"), ("link", "x")), flags=0) + OK,
    "generic_padding": BEGUN + frame(DATA, END_STREAM | PADDED, 1, b"\x02body\0\0"),
    "generic_continuation": frame(HEADERS, END_STREAM, 1, block(*STATUS)) + frame(CONTINUATION, END_HEADERS, 1, block(("x", "y"))),
    "generic_priority": frame(HEADERS, END_STREAM | END_HEADERS | WITH_PRIORITY, 1, b"\0\0\0\0\x0f" + block(*STATUS)),
    "4.1_unknown_frame": frame(0x16, 0, 1, b"x") + OK,
    "4.2_data_too_long": BEGUN + frame(DATA, END_STREAM, 1, b"x" * 16385),
    "4.2_settings_of_five_bytes": frame(SETTINGS, payload=b"12345"),
    "4.3_block_that_is_broken": raw(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    "4.3_other_frame_inside_a_head": frame(HEADERS, END_STREAM, 1, block(*STATUS)) + frame(PING, payload=b"12345678"),
    "5.1_data_before_the_head": END,
    "5.1_data_after_the_end": OK + END,
    "5.1_data_of_a_stream_that_is_idle": frame(DATA, END_STREAM, 7, b"x"),
    "5.1_head_of_a_stream_that_is_idle": head(7, fields=STATUS),
    "5.1_reset_of_a_stream_that_is_idle": frame(RST_STREAM, 0, 7, b"\0\0\0\x08"),
    "5.1.1_head_of_an_even_stream": head(2, fields=STATUS),
    "6.1_data_on_zero": frame(DATA, END_STREAM, 0, b"x"),
    "6.1_padding_too_long": BEGUN + frame(DATA, END_STREAM | PADDED, 1, b"\x09body"),
    "6.2_head_on_zero": head(0, fields=STATUS),
    "6.3_priority_of_four_bytes": frame(PRIORITY, 0, 1, b"\0\0\0\0"),
    "6.4_reset": frame(RST_STREAM, 0, 1, b"\0\0\0\x08"),
    "6.4_reset_after_the_head": BEGUN + frame(RST_STREAM, 0, 1, b"\0\0\0\x08"),
    "6.4_reset_on_zero": frame(RST_STREAM, 0, 0, b"\0\0\0\x08"),
    "6.4_reset_of_three_bytes": frame(RST_STREAM, 0, 1, b"\0\0\0"),
    "6.5_ack_with_payload": frame(SETTINGS, ACK, 0, b"123456"),
    "6.5_settings_on_a_stream": frame(SETTINGS, 0, 1),
    "6.5.2_window_too_big": setting(4, 2**31),
    "6.5.2_frame_too_small": setting(5, 16383),
    "6.5.2_push_of_one": setting(2, 1),
    "6.5.2_connect_protocol_of_two": setting(8, 2),
    "6.5.2_unknown_setting": setting(0xFF, 1) + OK,
    "6.6_push": frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02" + block((":method", "GET"), (":scheme", "http"), (":path", "/"))),
    "6.7_ping_on_a_stream": frame(PING, 0, 1, b"12345678"),
    "6.7_ping_of_seven_bytes": frame(PING, payload=b"1234567"),
    "6.8_goaway_on_a_stream": frame(GOAWAY, 0, 1, bytes(8)),
    "6.8_goaway_of_seven_bytes": frame(GOAWAY, payload=bytes(7)),
    "6.9_window_by_zero": frame(WINDOW_UPDATE, payload=bytes(4)),
    "6.9.1_window_overflows": frame(WINDOW_UPDATE, payload=b"\x7f\xff\xff\xff"),
    "6.10_continuation_of_another_stream": frame(HEADERS, END_STREAM, 1, block(*STATUS)) + frame(CONTINUATION, END_HEADERS, 3, b"\x88"),
    "6.10_continuation_alone": frame(CONTINUATION, END_HEADERS, 1, b"\x88"),
    "8.1_trailers_that_do_not_end": BEGUN + head(fields=(("x", "y"),), flags=0),
    "8.1_status_in_trailers": BEGUN + answer(*STATUS),
    "8.1_interim_that_ends": answer((":status", "103")),
    "8.1_switching_protocols": head(fields=((":status", "101"),), flags=0) + OK,
    "8.2.1_upper_case_name": raw(block(*STATUS) + b"\0\x03X-A\x01b"),
    "8.2.1_colon_in_name": raw(block(*STATUS) + b"\0\x03x:a\x01b"),
    "8.2.1_line_feed_in_value": answer(*STATUS, ("x", "a\nb")),
    "8.2.1_zero_in_value": answer(*STATUS, ("x", "a\0b")),
    "8.2.2_connection": answer(*STATUS, ("connection", "close")),
    "8.2.2_transfer_encoding": answer(*STATUS, ("transfer-encoding", "chunked")),
    "8.2.2_upgrade": answer(*STATUS, ("upgrade", "foo")),
    "8.3_unknown_pseudo_field": answer(*STATUS, (":test", "x")),
    "8.3_method_in_an_answer": answer(*STATUS, (":method", "GET")),
    "8.3_status_after_others": answer(("x", "y"), *STATUS),
    "8.3.2_no_status": answer(("x", "y")),
    "8.3.2_status_twice": answer(*STATUS, *STATUS),
    "8.3.2_status_of_letters": answer((":status", "abc")),
    "8.3.2_status_of_two_digits": answer((":status", "20")),
    "8.1.1_length_too_big": head(fields=(*STATUS, ("content-length", "9")), flags=0) + END,
    "8.1.1_length_too_small": head(fields=(*STATUS, ("content-length", "1")), flags=0) + END,
    "8.1.1_lengths_that_differ": head(fields=(*STATUS, ("content-length", "4"), ("content-length", "5")), flags=0) + END,
    "8.1.1_length_of_letters": head(fields=(*STATUS, ("content-length", "x")), flags=0) + END,
    "hpack_index_beyond_the_table": raw(block(*STATUS) + b"\xfe"),
    "hpack_index_zero": raw(block(*STATUS) + b"\x80"),
    "hpack_size_beyond_the_limit": raw(b"\x3f\xe1\xff\x03" + block(*STATUS)),
    "hpack_padding_too_long": raw(block(*STATUS) + b"\0\x01x\x82\x1f\xff"),
}
