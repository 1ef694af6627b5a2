"""What is particular to io_uring: sends that a full socket takes in part, ends that come while nobody reads, more answers than buffers."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import subprocess
import sys
import threading

import pytest

import mesh
from mesh.testing import Ended, Upstream, Wire, bootstrap, running, until

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
SMALL = 8 * 1024
CHUNK, CHUNKS = 997, 8000
IO_URING_SETUP = 425
# struct io_uring_params; flags are those that the engine asks for: CQSIZE is left to it.
PARAMS_BYTES = 120
FLAGS_AT = 8
SUBMIT_ALL, SINGLE_ISSUER, DEFER_TASKRUN = 1 << 7, 1 << 12, 1 << 13


def kernel_has_it() -> bool:
    """Whether this process may open a ring of the kind that workers use."""
    params = ctypes.create_string_buffer(PARAMS_BYTES)
    struct.pack_into("I", params, FLAGS_AT, SUBMIT_ALL | SINGLE_ISSUER | DEFER_TASKRUN)
    fd: int = ctypes.CDLL(None, use_errno=True).syscall(IO_URING_SETUP, 4, params)
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def test_workers_use_it_where_the_kernel_lets_them_and_nobody_forbids_it(way: str) -> None:
    with mesh.Proxy(bootstrap(), concurrency=2) as proxy:
        assert proxy.uses_io_uring == (way == "io_uring" and kernel_has_it())


# As containers forbid it: seccomp answers EPERM. The filter: load the call's number; is it this one? then refuse, else allow.
FORBIDDEN = """
import ctypes, struct, sys, urllib.request
BPF = ((0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000))
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in BPF))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(BPF), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0  # no new privileges; a filter
import mesh
from mesh.testing import bootstrap
route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "here"}}}
with mesh.Proxy(bootstrap(routes=[route]), concurrency=2) as proxy:
    body = urllib.request.urlopen(f"http://127.0.0.1:{proxy.listeners['main'].port}/").read()
    print(proxy.uses_io_uring, body.decode())
"""


@pytest.mark.slow
def test_workers_serve_where_the_kernel_forbids_it() -> None:
    done = subprocess.run([sys.executable, "-c", FORBIDDEN], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split() == ["False", "here"], done.stderr


def drip(wire: Wire) -> None:
    """Answers in chunks so small that each is sent by itself, numbered so that none can be lost or moved unseen."""
    try:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(CHUNKS):
            wire.send(b"%x\r\n%s\r\n" % (CHUNK, numbered(number)))
        wire.send(b"0\r\n\r\n")
    except (Ended, OSError, TimeoutError):
        pass


def numbered(number: int) -> bytes:
    return (b"%08d" % number).ljust(CHUNK, b".")


@pytest.mark.slow
def test_small_pieces_arrive_whole_and_in_order_at_a_client_whose_buffer_is_full_again_and_again() -> None:
    with Upstream(drip) as up, running(bootstrap(up.port)) as p, p.client(receive_buffer=SMALL) as client:
        client.send(GET)
        # Far less than all of it fits into the kernel's buffers: the rest waits at the upstream until somebody reads.
        until(lambda: p.up("upstream_cx_rx_bytes_total") > 64 * SMALL)
        assert client.read_response().body == b"".join(numbered(number) for number in range(CHUNKS))


def test_answers_that_a_full_socket_takes_in_part_go_on_when_there_is_room() -> None:
    body = "".join(f"{number:05d}" for number in range(800))
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": body}}}
    narrow = {"level": socket.SOL_SOCKET, "name": socket.SO_SNDBUF, "int_value": SMALL, "state": "STATE_LISTENING"}
    with running(bootstrap(routes=[route], socket_options=[narrow])) as p, p.client(receive_buffer=SMALL) as client:
        asked = 0
        # One at a time, each answer is one small send; far more of them than the two buffers hold.
        while asked < 30:
            client.send(GET)
            asked += 1
            p.wait_stat("http.test.downstream_rq_total", asked)
        for _ in range(asked):
            assert client.read_response().body == body.encode()


def test_a_client_that_goes_while_its_request_waits_is_let_go() -> None:
    asked, answer = threading.Event(), threading.Event()

    def late(wire: Wire) -> None:
        try:
            wire.read_request()
            asked.set()
            answer.wait(10)
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        except (Ended, OSError):
            pass

    with Upstream(late) as up, running(bootstrap(up.port)) as p:
        with p.client() as client:
            client.send(GET)
            assert asked.wait(5)
        until(lambda: p.down("downstream_cx_active") == 0)
        answer.set()


@pytest.mark.slow
def test_more_connections_than_the_kernel_was_lent_buffers_are_all_answered() -> None:
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "here"}}}
    with running(bootstrap(routes=[route])) as p:
        clients = [socket.create_connection(("127.0.0.1", p.port), timeout=10) for _ in range(400)]
        try:
            for _ in range(3):
                for client in clients:
                    client.sendall(GET)
                for client in clients:
                    assert client.recv(4096).endswith(b"here")
        finally:
            for client in clients:
                client.close()
