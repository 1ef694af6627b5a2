"""The server behind every proxy: nginx with one worker, on the load generator's core, the same process for all peers.

Owns its folder, its configuration and its process for the length of the `with` block. It answers `/` (any method)
with a 66-byte body, `/64k` and `/1m` from files, keeps connections open for ever and writes no log, so that what is
measured is the proxy in front of it. A request's body is read and dropped.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import ask
from bench.machine import open_files
from bench.running import await_ready, first_line, free_port, program, running

SMALL_BODY = "a small answer of the upstream, as long as a health check's: 66 B."
ADDRESSES = 10  # 127.0.0.1 and the nine after it
FILES = {"64k": 64 * 1024, "1m": 1024 * 1024}

CONFIG = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type text/plain;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    open_file_cache max=16 inactive=1h;
    open_file_cache_valid 1h;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_header_buffer_size 8k;
    server {{
        {listen}
        location / {{ return 200 "{body}"; }}
        location = /64k {{ root {folder}/files; }}
        location = /1m {{ root {folder}/files; }}
    }}
}}
"""


@dataclass(frozen=True)
class Origin:
    """A running upstream."""

    port: int


def runs_as() -> str:
    """nginx's workers change to another user when started by root, and could then not read the run's own folder."""
    return "user root root;" if os.geteuid() == 0 else ""


def version() -> str:
    return first_line([program("nginx"), "-v"]).rpartition("/")[2]


@contextmanager
def origin(folder: Path, core: int) -> Iterator[Origin]:
    """Runs the upstream in `folder` (which must exist and be empty) until the block is left."""
    assert len(SMALL_BODY) == 66
    files = folder / "files"
    files.mkdir()
    for name, size in FILES.items():
        (files / name).write_bytes(b"x" * size)
    port = free_port()
    config = folder / "nginx.conf"
    # Several addresses, so that a balancer has hosts to choose from.
    listen = " ".join(f"listen 127.0.0.{host}:{port} backlog=4096;" for host in range(1, ADDRESSES + 1))
    given = {"folder": folder, "port": port, "listen": listen, "body": SMALL_BODY, "user": runs_as()}
    config.write_text(CONFIG.format(**given, connections=min(16384, open_files())))
    log = folder / "output.log"
    with running([program("nginx"), "-c", str(config), "-e", str(log)], core, log) as process:
        await_ready(process, log, lambda: ask.answers(port, "/"), "the upstream")
        yield Origin(port)
