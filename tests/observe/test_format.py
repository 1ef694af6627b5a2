"""What each operator prints, in text. The expected values are what Envoy 1.40 prints for the same facts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshcore.bind.format import Formatter, check, set_hostname
from tests.observe.facts import DEFAULT_FORMAT, HTTP_10, proxied, request


def line(text: str, **changes: Any) -> str:
    return Formatter(text).write(proxied(**changes)).decode("utf-8", "surrogateescape")


def of_request(text: str, **changes: Any) -> str:
    return line(text, request=request(**changes))


def test_the_default_format_is_envoys_line() -> None:
    assert line(DEFAULT_FORMAT) == (
        '[2026-11-23T02:10:43.203Z] "GET /cart?id=7 HTTP/1.1" 200 - 0 5 7 3 "10.1.2.3" "curl/8.5" '
        '"77eecaa5-2ee3-429f-814b-8e895b02d639" "shop.example" "10.0.0.9:42207"\n'
    )


def test_a_request_that_was_never_read_prints_dashes() -> None:
    text = Formatter(DEFAULT_FORMAT).write({"start_wall_us": 0, "protocol": 1, "status": 400, "flags": 1 << 18})
    assert text.decode() == '[1970-01-01T00:00:00.000Z] "- - HTTP/1.1" 400 DPE 0 0 - - "-" "-" "-" "-" "-"\n'


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("DURATION", "7"),
        ("REQUEST_DURATION", "0"),
        ("REQUEST_TX_DURATION", "1"),
        ("RESPONSE_DURATION", "4"),
        ("RESPONSE_TX_DURATION", "1"),
        ("ROUNDTRIP_DURATION", "-"),
        ("UPSTREAM_CONNECTION_POOL_READY_DURATION", "1"),
        ("COMMON_DURATION(DS_RX_BEG:DS_RX_END:us)", "500"),
        ("COMMON_DURATION(US_TX_BEG:US_RX_BEG:ns)", "3200000"),
        ("COMMON_DURATION(US_RX_BEG:US_RX_END:us)", "500"),
        ("COMMON_DURATION(DS_TX_BEG:DS_TX_END)", "1"),
        ("COMMON_DURATION(DS_TX_END:DS_RX_BEG:ms)", "-"),
        ("COMMON_DURATION(US_CX_BEG:US_CX_END)", "-"),
        ("COMMON_DURATION(DS_RX_BEG:set_by_a_filter)", "-"),
        ("PROTOCOL", "HTTP/1.1"),
        ("UPSTREAM_PROTOCOL", "HTTP/1.1"),
        ("RESPONSE_CODE", "200"),
        ("RESPONSE_CODE_DETAILS", "via_upstream"),
        ("CONNECTION_TERMINATION_DETAILS", "-"),
        ("LOCAL_REPLY_BODY", ""),
        ("ACCESS_LOG_TYPE", "DownstreamEnd"),
        ("ROUTE_NAME", "cart"),
        ("VIRTUAL_CLUSTER_NAME", "-"),
        ("ROUTE_RESOLUTION_COUNT", "1"),
        ("UPSTREAM_CLUSTER", "carts_alt"),
        ("UPSTREAM_CLUSTER_RAW", "carts"),
        ("UPSTREAM_HOST", "10.0.0.9:42207"),
        ("UPSTREAM_HOST_NAME", "10.0.0.9:42207"),
        ("UPSTREAM_HOST_NAME_WITHOUT_PORT", "10.0.0.9"),
        ("UPSTREAM_HOSTS_ATTEMPTED", "10.0.0.9:42207"),
        ("UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT", "10.0.0.9"),
        ("UPSTREAM_HOST_NAMES_ATTEMPTED", "10.0.0.9:42207"),
        ("UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT", "10.0.0.9"),
        ("UPSTREAM_CONNECTION_IDS_ATTEMPTED", "4"),
        ("UPSTREAM_LOCAL_ADDRESS", "10.0.0.1:33700"),
        ("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "10.0.0.1"),
        ("UPSTREAM_LOCAL_PORT", "33700"),
        ("UPSTREAM_REMOTE_ADDRESS", "10.0.0.9:42207"),
        ("UPSTREAM_REMOTE_PORT", "42207"),
        ("UPSTREAM_REQUEST_ATTEMPT_COUNT", "1"),
        ("UPSTREAM_CONNECTION_ID", "4"),
        ("UPSTREAM_TRANSPORT_FAILURE_REASON", "-"),
        ("UPSTREAM_DETECTED_CLOSE_TYPE", "Normal"),
        ("CONNECTION_ID", "17"),
        ("DOWNSTREAM_REMOTE_ADDRESS", "10.1.2.3:55868"),
        ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "10.1.2.3"),
        ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)", "10.1.0.0/16"),
        ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(7)", "10.0.0.0/7"),
        ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(0)", "0.0.0.0/0"),
        ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(99)", "10.1.2.3/32"),
        ("DOWNSTREAM_REMOTE_PORT", "55868"),
        ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS", "127.0.0.1:55868"),
        ("DOWNSTREAM_LOCAL_ADDRESS", "127.0.0.1:8080"),
        ("DOWNSTREAM_DIRECT_LOCAL_ADDRESS", "127.0.0.1:8080"),
        ("DOWNSTREAM_DIRECT_LOCAL_PORT", "8080"),
        ("DOWNSTREAM_DETECTED_CLOSE_TYPE", "Normal"),
        ("STREAM_ID", "77eecaa5-2ee3-429f-814b-8e895b02d639"),
        ("BYTES_RETRANSMITTED", "0"),
        ("DOWNSTREAM_TLS_VERSION", "-"),
        ("UPSTREAM_PEER_CERT_V_START(%Y)", "-"),
        ("DYNAMIC_METADATA(a:b):4", "-"),
        ("FILTER_STATE(key:PLAIN)", "-"),
        ("METADATA(ROUTE:a)", "-"),
        ("TRACE_ID", "-"),
        ("CUSTOM_FLAGS", ""),
        ("DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", ""),
        ("UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID", ""),
        ("ENVIRONMENT(MESH_SURELY_NOT_SET)", "-"),
    ],
)
def test_operator_of_a_proxied_request(operator: str, expected: str) -> None:
    assert line(f"<%{operator}%>") == f"<{expected}>"


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("UPSTREAM_HOST", "10.0.0.9:42207"),
        ("UPSTREAM_REMOTE_ADDRESS", "-"),
        ("UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID", "-"),
        ("UPSTREAM_PROTOCOL", "-"),
        ("UPSTREAM_DETECTED_CLOSE_TYPE", "Normal"),
        ("UPSTREAM_TRANSPORT_FAILURE_REASON", "delayed_connect_error:_Connection_refused"),
    ],
)
def test_a_host_that_refused_the_connection_has_no_remote_address(operator: str, expected: str) -> None:
    facts = proxied(upstream_failure="delayed connect error: Connection refused")
    del facts["upstream_local"]
    assert Formatter(f"%{operator}%").write(facts).decode() == expected


def test_detected_close_type_needs_an_upstream_host() -> None:
    facts = proxied()
    del facts["upstream_remote"]
    assert Formatter("%UPSTREAM_DETECTED_CLOSE_TYPE% %UPSTREAM_HOST_NAME%").write(facts) == b"- -"
    assert line("%UPSTREAM_DETECTED_CLOSE_TYPE%", upstream_close=2) == "RemoteReset"


def test_the_host_of_the_last_try_stands_for_those_attempted() -> None:
    facts = proxied(upstream_hostname="h.example:1")
    del facts["attempted"]
    assert Formatter("%UPSTREAM_HOST_NAMES_ATTEMPTED%|%UPSTREAM_HOST_NAME%").write(facts) == b"h.example:1|h.example:1"
    del facts["upstream_local"]
    assert Formatter("%UPSTREAM_HOST_NAMES_ATTEMPTED%").write(facts) == b"-"


def test_a_number_that_coalesce_chose_is_cut_as_text_and_whole_in_json() -> None:
    choice = '%COALESCE({"operators": ["RESPONSE_CODE"]}):2%'
    assert line(choice, status=404) == "40"
    assert Formatter({"code": choice}).write({"status": 404}) == b'{"code":404}\n'


def test_host_names_replace_addresses_where_they_are_known() -> None:
    tried = [("10.0.0.9:80", "a.example:80", 0), ("10.0.0.8:80", "", 9)]
    assert line("%UPSTREAM_HOST_NAMES_ATTEMPTED%", attempted=tried) == "a.example:80,10.0.0.8:80"
    assert line("%UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT%", attempted=tried) == "a.example,10.0.0.8"
    assert line("%UPSTREAM_CONNECTION_IDS_ATTEMPTED%", attempted=tried) == "9"
    assert (
        line("%UPSTREAM_HOST_NAME%|%UPSTREAM_HOST_NAME_WITHOUT_PORT%", upstream_hostname="h.example:1")
        == "h.example:1|h.example"
    )


def test_details_lose_their_white_space_unless_it_is_allowed() -> None:
    spaced = "upstream reset\tbefore\nresponse"
    assert line("%RESPONSE_CODE_DETAILS%", details=spaced) == "upstream_reset_before_response"
    assert line("%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", details=spaced) == spaced
    assert line("%RESPONSE_CODE_DETAILS(anything)%", details="a b") == "a_b"


def test_flags_are_joined_in_bit_order() -> None:
    assert line("%RESPONSE_FLAGS%", flags=0b100100) == "UT,UF"
    assert line("%RESPONSE_FLAGS_LONG%", flags=0b100100) == "UpstreamRequestTimeout,UpstreamConnectionFailure"
    assert line("%RESPONSE_FLAGS%", flags=(1 << 30) - 1).split(",")[-1] == "UDO"
    assert len(line("%RESPONSE_FLAGS%", flags=(1 << 30) - 1).split(",")) == 30


def test_protocol_of_an_old_client() -> None:
    assert line("%PROTOCOL%", protocol=HTTP_10) == "HTTP/1.0"


def test_pseudo_headers_and_host_come_from_the_start_line() -> None:
    assert of_request("%REQ(:METHOD)% %REQ(:PATH)% %REQ(:SCHEME)% %REQ(HOST)% %REQ(:authority)%") == (
        "GET /cart?id=7 http shop.example shop.example"
    )
    assert line("%RESP(:STATUS)% %RESPONSE_HEADER(:status):1%") == "200 2"
    assert of_request("%REQ(:status)% %REQ(:protocol)% %REQ(:foo)%") == "- - -"


def test_header_names_are_found_in_any_case_and_fall_back_to_the_alternative() -> None:
    headers = [("X-Custom", "v"), ("empty", "")]
    assert of_request("%REQ(x-CUSTOM)% %REQUEST_HEADER(X-Custom):0%|", headers=headers) == "v |"
    assert of_request("%REQ(nope?x-custom)% %REQ(?x-custom)% %REQ(nope?nope2)%", headers=headers) == "v v -"
    assert of_request("<%REQ(empty?x-custom)%>", headers=headers) == "<>"


def test_repeated_headers_are_joined_only_when_they_are_well_known_lists() -> None:
    twice = [("accept", "a"), ("x-own", "1"), ("accept", "b"), ("x-own", "2"), ("cookie", "c=1"), ("cookie", "d=2")]
    assert of_request("%REQ(accept)% %REQ(x-own)% %REQ(cookie)%", headers=twice) == "a,b 1 c=1"


def test_trailers_are_printed_when_there_are_any() -> None:
    assert line("%TRAILER(grpc-status)% %RESPONSE_TRAILER(x)%", trailers={"headers": [("grpc-status", "0")]}) == "0 -"
    assert line("%TRAILER(grpc-status)%") == "-"


def test_header_sizes_count_names_and_values_with_pseudo_headers() -> None:
    sizes = of_request("%REQUEST_HEADERS_BYTES%", headers=[("ab", "cde")])
    assert int(sizes) == len(":methodGET:path/cart?id=7:authorityshop.example:schemehttpabcde")
    assert line("%RESPONSE_HEADERS_BYTES%", response={"status": 200, "headers": [("a", "b")]}) == str(
        len(":status200ab")
    )
    assert line("%RESPONSE_TRAILERS_BYTES%") == "0"
    nothing = dict.fromkeys(("method", "path", "authority", "scheme"), "")
    assert of_request("%REQUEST_HEADERS_BYTES%", headers=[], **nothing) == "0"


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("PATH", "/p/q?a=1"),
        ("PATH:3", "/p/"),
        ("PATH(NQ)", "/p/q"),
        ("PATH(WQ:PATH)", "/p/q?a=1"),
        ("PATH(NQ:ORIG)", "-"),
        ("PATH(:ORIG_OR_PATH:more)", "/p/q?a=1"),
        ("REQ_WITHOUT_QUERY(:PATH)", "/p/q"),
        ("REQ_WITHOUT_QUERY(x-no?:PATH):2", "/p"),
        ("REQ_WITHOUT_QUERY", "-"),
    ],
)
def test_paths(operator: str, expected: str) -> None:
    assert of_request(f"%{operator}%", path="/p/q?a=1") == expected


def test_the_original_path_wins_over_the_rewritten_one() -> None:
    headers = [("x-envoy-original-path", "/old?b=2")]
    expected = "/old?b=2 /new /old /new"
    assert of_request("%PATH% %PATH(NQ:PATH)% %PATH(NQ:ORIG)% %REQ(:path)%", path="/new", headers=headers) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a", "1"), ("b", "2 x+y"), ("c", ""), ("d", ""), ("A", "-"), ("f f", "3"), ("e", "%zz"), ("g", "é")],
)
def test_query_parameters_are_decoded_and_the_first_wins(name: str, expected: str) -> None:
    path = "/p?a=1&b=2%20x+y&c&d=&f%20f=3&a=9&e=%zz&g=%c3%a9"
    assert of_request(f"%QUERY_PARAM({name})%", path=path) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a=%20%21%22%23%25%26", "a=%20!%22#%&"),
        ("a=%3a%3b%3c%3d%3e%3f", "a=:;%3c=%3e?"),
        ("a=%5b%5c%5d%5e%5f%60%7b%7c%7d%7e%7f", "a=[%5c]%5e_`%7b%7c%7d~%7f"),
        ("a=%c3%a9", "a=%c3%a9"),
        ("e=%2", "e=%2"),
        ("e=%", "e=%"),
        ("e=%4gX", "e=4gX"),
        ("e=%%%%41", "e=A"),
        ("e=%2525", "e=%25"),
    ],
)
def test_the_whole_query_keeps_the_escapes_that_would_hurt(query: str, expected: str) -> None:
    assert of_request("%QUERY_PARAMS(DECODED)%", path="/p?" + query) == expected
    assert of_request("%QUERY_PARAMS%", path="/p?" + query) == query
    assert of_request("%QUERY_PARAMS(ORIG):2%", path="/p?" + query) == query[:2]


def test_no_query_is_missing_and_an_empty_one_is_empty() -> None:
    assert of_request("<%QUERY_PARAMS%>", path="/p") == "<->"
    assert of_request("<%QUERY_PARAMS%>", path="/p?") == "<>"


GRPC = [("content-type", "application/grpc")]


@pytest.mark.parametrize(
    ("status", "camel", "snake", "number"),
    [
        ("0", "OK", "OK", "0"),
        ("1", "Canceled", "CANCELLED", "1"),
        ("16", "Unauthenticated", "UNAUTHENTICATED", "16"),
        ("17", "17", "17", "17"),
        ("99", "99", "99", "99"),
        ("abc", "-1", "-1", "-1"),
        ("", "Unknown", "UNKNOWN", "2"),
    ],
)
def test_grpc_status_in_all_its_forms(status: str, camel: str, snake: str, number: str) -> None:
    forms = ("GRPC_STATUS", "GRPC_STATUS(CAMEL_STRING)", "GRPC_STATUS(SNAKE_STRING)", "GRPC_STATUS(NUMBER)")
    text = "|".join(f"%{form}%" for form in (*forms, "GRPC_STATUS_NUMBER"))
    expected = f"{camel}|{camel}|{snake}|{number}|{number}"
    headers = [("grpc-status", status)]
    grpc_request = request(headers=GRPC)
    assert line(text, request=grpc_request, trailers={"headers": headers}) == expected
    assert line(text, request=grpc_request, response={"status": 200, "headers": headers}) == expected


def test_grpc_status_without_one_comes_from_the_http_status_and_only_for_grpc() -> None:
    grpc_request = request(headers=GRPC)
    assert line("%GRPC_STATUS%", request=grpc_request, status=400) == "Internal"
    assert line("%GRPC_STATUS%", request=grpc_request, status=503) == "Unavailable"
    assert line("%GRPC_STATUS%", request=grpc_request, status=404) == "Unimplemented"
    assert line("%GRPC_STATUS%", trailers={"headers": [("grpc-status", "0")]}) == "-"
    assert line("%GRPC_STATUS%", request=request(headers=[("content-type", "application/grpc-web")]), status=400) == "-"
    assert (
        line("%GRPC_STATUS%", request=request(headers=[("content-type", "application/grpc+proto")]), status=400)
        == "Internal"
    )


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("uri", 'sp"x,;y'),
        ("URI", 'sp"x,;y'),
        ("subject", "/C=US,O=a"),
        ("hash", "468ed"),
        ("dns", "a.com"),
        ("by", "spiffe://a"),
        ("cert", "zz"),
    ],
)
def test_elements_of_the_forwarded_client_certificate(key: str, expected: str) -> None:
    value = 'By=spiffe://a;Hash=468ed;URI="sp\\"x,;y";Subject="/C=US,O=a";DNS=a.com;DNS=b.com,By=second;Cert=zz'
    headers = [("x-forwarded-client-cert", value)]
    assert of_request(f"%XFCC_VALUE({key})%", headers=headers) == expected


def test_coalesce_prints_the_first_value_that_is_there() -> None:
    last = '{"command": "REQ", "param": ":PATH", "max_length": 5}'
    choices = f'{{"operators": [{{"command": "REQ", "param": "nope"}}, "VIRTUAL_CLUSTER_NAME", {last}]}}'
    assert line(f"%COALESCE({choices})%") == "/cart"
    assert line(f"%COALESCE({choices}):2%") == "/c"
    assert line('%COALESCE({"operators": ["BYTES_SENT"], "other": [1, {"a": null}]})%') == "5"
    nested = '{"operators":[{"command":"COALESCE","param":"{\\"operators\\":[\\"PROTOCOL\\"]}"}]}'
    assert line(f"%COALESCE({nested})%") == "HTTP/1.1"
    assert line('%COALESCE({"operators": ["ROUTE_NAME"]})%', route_name="") == "-"
    assert line('%COALESCE({"operators": ["LOCAL_REPLY_BODY", "PROTOCOL"]})%') == ""  # an empty text is one


def test_host_name_and_environment_are_read_when_the_format_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESH_TEST_ZONE", "north-1")
    set_hostname(b"edge-7")
    formatter = Formatter("%HOSTNAME% %ENVIRONMENT(MESH_TEST_ZONE)% %ENVIRONMENT(MESH_TEST_ZONE):5%")
    monkeypatch.setenv("MESH_TEST_ZONE", "south-2")
    set_hostname(b"-")
    assert formatter.write(proxied()) == b"edge-7 north-1 north"


def test_unique_ids_are_uuids_and_differ() -> None:
    formatter = Formatter("%UNIQUE_ID%")
    ids = {formatter.write(proxied()).decode() for _ in range(50)}
    assert len(ids) == 50
    assert all(
        re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", each) for each in ids
    )


def test_per_cent_signs_and_neighbours() -> None:
    assert line("%%DURATION%% 100%% %%%PROTOCOL%%%") == "%DURATION% 100% %HTTP/1.1%"
    assert line("%PROTOCOL%%RESPONSE_CODE%x") == "HTTP/1.1200x"
    assert line("") == ""
    assert not Formatter("plain text").has_operators
    assert Formatter("100%%").has_operators


def test_missing_values_are_nothing_when_empty_ones_are_left_out() -> None:
    text = "%REQ(nope)%|%RESPONSE_FLAGS%|%ENVIRONMENT(MESH_SURELY_NOT_SET)%|%DURATION%|%VIRTUAL_CLUSTER_NAME%|"
    assert Formatter(text, omit_empty=True).write(proxied()) == b"|-|-|7||"


def test_a_line_without_room_is_cut_at_a_whole_operator() -> None:
    formatter = Formatter("ab%RESPONSE_CODE_DETAILS%cd%PROTOCOL%")
    whole = b"abvia_upstreamcdHTTP/1.1"
    ends = [0, 2, 14, 16, 24]
    for room in range(len(whole) + 1):
        assert formatter.write(proxied(), room=room) == whole[: max(end for end in ends if end <= room)]


@given(
    st.lists(
        st.sampled_from(
            ["%START_TIME%", "%REQ(:path)%", "%REQ(x-a)%", "%REQ(x-a):3%", "%RESPONSE_FLAGS%", "%UPSTREAM_HOST%",
            "%%", "é", "%DURATION%",
             "%QUERY_PARAM(a)%", "%START_TIME(%A %s.%9f)%", "%RESPONSE_CODE_DETAILS%", "text"]
        ),
        max_size=12,
    ),
    st.binary(max_size=60),
)  # fmt: skip
def test_the_bound_is_enough_for_any_value(parts: list[str], value: bytes) -> None:
    facts = proxied(request=request(path=b"/?a=" + value, headers=[("x-a", value)]), details=value, flags=7)
    for source in ("".join(parts), {"k": "".join(parts), "l": parts}):
        assert Formatter(source).write(facts) == Formatter(source).write(facts, room=100_000)


@given(st.text(alphabet='%()AZ_:?019a\n x{}"', max_size=24))
def test_any_text_compiles_or_is_refused_with_a_reason(text: str) -> None:
    complaint = check(text)
    if complaint is None:
        Formatter(text).write(proxied())
    else:
        assert complaint
