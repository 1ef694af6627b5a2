"""Installs a wheel into an empty environment and sends a real request through the proxy that came with it.

Proves what a user without a compiler gets: the wheel installs with its run-time dependencies only, `mesh serve` starts,
a request goes through it to an upstream and back, SIGTERM ends it with 0, and the libraries that the process has mapped (libuv,
liburing, RE2, nghttp2) are those inside the wheel, not the machine's. Owns a temporary folder and a process, both gone at the end.
Exits with 1 and one line otherwise. Called by .ci/wheel: `python .ci/check_wheel.py WHEEL`.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

LIMIT_S = 30.0
BUNDLED = ("libuv", "liburing", "libre2", "libnghttp2")


def fail(text: str) -> None:
    raise SystemExit(f"check_wheel: {text}")


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers with the headers it was sent."""

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet: the request is reported by the check itself."""


@contextlib.contextmanager
def upstream() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def installed(wheel: Path, folder: Path) -> Path:
    """The `bin` folder of a new environment that holds the wheel and what it asks for."""
    venv.create(folder / "env", with_pip=True)
    tools = folder / "env" / "bin"
    command = [str(tools / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"the wheel does not install:\n{done.stderr[-2000:]}")
    return tools


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> str:
    """The text of a file that the proxy writes once its admin address is bound."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if process.poll() is not None:
            fail(f"mesh ended with {process.returncode} before it served")
        with contextlib.suppress(FileNotFoundError):
            if text := path.read_text().strip():
                return text
        time.sleep(0.01)
    fail("mesh did not start in time")
    raise AssertionError


def ask(address: str, path: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=LIMIT_S) as answer:
        return answer.headers.get("server", ""), answer.read()


def main_listener(admin: str) -> str:
    listeners = json.loads(ask(admin, "/listeners?format=json")[1])
    address = listeners["listener_statuses"][0]["local_address"]["socket_address"]
    return f"{address['address']}:{address['port_value']}"


def foreign_libraries(pid: int, folder: Path) -> list[str]:
    """Mapped libraries that ought to come from the wheel and do not."""
    mapped = {line.split()[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if ".so" in line}
    ours = [path for path in mapped if Path(path).name.startswith(BUNDLED)]
    if len(ours) < len(BUNDLED):
        fail(f"expected {' and '.join(BUNDLED)} to be mapped, found {ours}")
    return [path for path in ours if not path.startswith(str(folder))]


def check(wheel: Path) -> None:
    with tempfile.TemporaryDirectory() as name, upstream() as port:
        folder = Path(name).resolve()
        tools = installed(wheel.resolve(), folder)
        config, admin_file = folder / "mesh.yaml", folder / "admin"
        config.write_text(f"listen: 127.0.0.1:0\nroutes: [{{match: /, to: '127.0.0.1:{port}'}}]\nadmin: 127.0.0.1:0\n")
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
        options = ["-c", str(config), "--admin-address-path", str(admin_file), "--concurrency", "1", "-l", "error"]
        process = subprocess.Popen([str(tools / "mesh"), "serve", *options], cwd=folder, env=environment)
        try:
            admin = wait_for(admin_file, process)
            server, body = ask(main_listener(admin), "/anything")
            if "x-request-id" not in json.loads(body):
                fail(f"the upstream did not see a proxied request: {body!r}")
            if foreign := foreign_libraries(process.pid, folder):
                fail(f"mapped from outside the wheel: {', '.join(foreign)}")
            process.send_signal(signal.SIGTERM)
            if code := process.wait(LIMIT_S):
                fail(f"mesh ended with {code} after SIGTERM")
        finally:
            process.kill()
            process.wait()
    print(f"check_wheel: {wheel.name} ({wheel.stat().st_size / 1e6:.1f} MB) proxied a request (server: {server}) from an empty environment")


if __name__ == "__main__":
    check(Path(sys.argv[1]))
