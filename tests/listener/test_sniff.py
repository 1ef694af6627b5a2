"""The first bytes of a connection: real ClientHellos cut at every byte and over many records, HTTP, PROXY headers, and damaged ones."""

from __future__ import annotations

import random
import ssl
import struct

import pytest

from meshcore.bind.snifftest import http, proxy_header, tls, write_proxy_header
from meshcore.bind.spec import Address

V2 = b"\r\n\r\n\0\r\nQUIT\n"


def client_hello(name: str | None = "Www.Example.com", protocols: tuple[str, ...] = ("h2", "http/1.1")) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def in_records(hello: bytes, size: int) -> bytes:
    """The same message in records of `size` bytes."""
    body = hello[5:]
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(hello[:3] + struct.pack("!H", len(part)) + part for part in parts)


FOUND = ("found", b"Www.Example.com", (b"h2", b"http/1.1"))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 50, 16384])
def test_a_client_hello_is_found_at_its_last_byte_and_not_before(size: int) -> None:
    data = in_records(client_hello(), size)
    assert {tls(data[:n])[0] for n in range(len(data))} == {"more"}
    assert tls(data) == FOUND
    assert tls(data + b"more") == FOUND


def test_a_client_hello_may_lack_a_name_and_protocols() -> None:
    assert tls(client_hello(None, ())) == ("found", b"", ())


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n", b"\x16\x02\x01\0\x05", b"\x15\x03\x01\0\x02\x01\0", b"\x16\x03\x01\0\0",
        b"\x16\x03\x01\0\x01\x02",
    ],
)  # fmt: skip
def test_what_is_no_client_hello_is_something_else(data: bytes) -> None:
    assert tls(data)[0] == "other"


@pytest.mark.parametrize("data", [b"G", b"hell", b"\x15\x03\x01\0"])
def test_less_than_the_head_of_a_record_says_nothing_yet(data: bytes) -> None:
    assert tls(data)[0] == "more"


def test_a_client_hello_above_the_limit_is_too_large() -> None:
    assert tls(b"\x16\x03\x01\x40\0\x01\0\x40\0")[0] == "too large"


def test_a_damaged_client_hello_is_never_read_beyond_its_end() -> None:
    rng = random.Random(7)
    whole = client_hello()
    answers = set()
    for _ in range(4000):
        data = bytearray(in_records(whole, rng.choice([7, 100, 16384])))
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        answers.add(tls(bytes(data[: rng.randint(0, len(data))]))[0])
    assert {"more", "found", "other"} <= answers


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"GET / HTTP/1.1\r\n", ("found", "http/1.1")),
        (b"GET /a b HTTP/1.0\n", ("found", "http/1.0")),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ("found", "http/2")),
        (b"PRI * HTTP/2.0\r\n", ("more", "")),
        (b"GET / HTTP/1.1", ("more", "")),
        (b"GET / HTTP/2.0\r\n", ("other", "")),
        (b"hello there\r\n", ("other", "")),
        (b"\x16\x03", ("other", "")),
        (b" / HTTP/1.1\r\n", ("other", "")),
    ],
)
def test_http_is_told_by_its_first_line(data: bytes, answer: tuple[str, str]) -> None:
    assert http(data) == answer


V4 = b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\n"


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (V4, ("found", 1, "1.2.3.4:1000", "5.6.7.8:443", len(V4))),
        (b"PROXY TCP6 ::1 fd00::2 1 2\r\n", ("found", 1, "[::1]:1", "[fd00::2]:2", 28)),
        (b"PROXY UNKNOWN\r\n", ("found", 1, "", "", 15)),
        (b"PROXY UNKNOWN a b c\r\n", ("found", 1, "", "", 21)),
        (V2 + b"\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\0\x01\0\x02", ("found", 2, "1.2.3.4:1", "5.6.7.8:2", 28)),
        (V2 + b"\x21\x11\0\x10\x01\x02\x03\x04\x05\x06\x07\x08\0\x01\0\x02\x04\0\1!", ("found", 2, "1.2.3.4:1", "5.6.7.8:2", 32)),
        (V2 + b"\x20\x00\0\0", ("found", 2, "", "", 16)),
    ],
)
def test_a_proxy_header_is_found_at_its_last_byte(data: bytes, answer: tuple[str, int, str, str, int]) -> None:
    assert {proxy_header(data[:n])[0] for n in range(len(data))} == {"more"}
    assert proxy_header(data + b"more") == answer


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 1.2.3.400 5.6.7.8 1 2\r\n", b"PROXY TCP4 ::1 ::1 1 2\r\n", b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 70000\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", b"PROXY " + b"A" * 110,
        b"PROXY TCP4 224.0.0.1 5.6.7.8 1 2\r\n", b"PROXY TCP4 1.2.3.4 255.255.255.255 1 2\r\n", b"PROXY TCP6 ff02::1 ::1 1 2\r\n",
        b"PROXY TCP6 :: ::1 1 2\r\n", b"PROXY TCP4 0.0.0.0 5.6.7.8 1 2\r\n",
        V2 + b"\x11\x11\0\x0c", V2 + b"\x22\x11\0\x0c", V2 + b"\x21\x11\0\x0b", V2 + b"\x21\x31\0\x0c",
    ],
)  # fmt: skip
def test_a_wrong_proxy_header_is_refused(data: bytes) -> None:
    assert proxy_header(data)[0] == "bad"


@pytest.mark.parametrize("tlvs", [b"\xea\0\0", b"\xea\0\3abc", b"\1\0\2h2\x04\0\0"])
def test_tlvs_end_where_their_header_does(tlvs: bytes) -> None:
    def answer(rest: bytes) -> str:
        head = V2 + b"\x21\x11" + (12 + len(rest)).to_bytes(2) + b"\x01\x02\x03\x04\x05\x06\x07\x08\0\x01\0\x02"
        return proxy_header(head + rest)[0]

    wholes = {0, len(tlvs)} | ({5} if tlvs[0] == 1 else set())
    assert {n for n in range(len(tlvs) + 1) if answer(tlvs[:n]) == "found"} == wholes
    assert answer(tlvs + b"\0") == "bad"


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"PROXZ", b"\r\n\r\n\1"])
def test_what_begins_otherwise_is_no_proxy_header(data: bytes) -> None:
    assert proxy_header(data)[0] == "none"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("hosts", [("1.2.3.4", "5.6.7.8"), ("::1", "fd00::2")])
def test_a_written_header_reads_back(version: int, hosts: tuple[str, str]) -> None:
    data = write_proxy_header(version, Address(hosts[0], 10), Address(hosts[1], 65535))
    found = proxy_header(data)
    assert found[1] == version
    assert [one.strip("[").replace("]", "") for one in found[2:4]] == [f"{hosts[0]}:10", f"{hosts[1]}:65535"]
    assert found[4] == len(data)
