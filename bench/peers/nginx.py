"""nginx as a reverse proxy: one worker, keep-alive on both sides without a limit of requests, no access log.

Temporary files are off (`proxy_max_temp_file_size 0`): a large response is then paced by its reader, as in the other
peers, where the default would write it to disk first. Large responses get larger buffers, with which nginx needs half
the CPU that it needs with its default ones; small responses keep the default, with which they are cheapest.
"""

from pathlib import Path

from bench.machine import open_files
from bench.peers.peer import Feature, Peer, Ports, Shape
from bench.running import program
from bench.upstream.origin import FILES, runs_as, version

LARGE_BUFFERS = "proxy_buffer_size 16k; proxy_buffers 8 32k; proxy_busy_buffers_size 64k;"

CONFIG = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections {connections}; multi_accept on; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    server_names_hash_max_size 65536;
    upstream origin {{
        server 127.0.0.1:{upstream};
        keepalive 2048;
        keepalive_requests 1000000000;
        keepalive_timeout 3600s;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_max_temp_file_size 0;
{servers}
}}
"""


def _servers(port: int, shape: Shape) -> str:
    listen = f"listen 127.0.0.1:{port} backlog=4096 default_server;"
    if shape.hosts == 1 and shape.routes == 1:
        small = "location / { proxy_pass http://origin; }"
        large = [f"location = /{name} {{ {LARGE_BUFFERS} proxy_pass http://origin; }}" for name in FILES]
        revision = f'location = /revision {{ return 200 "{shape.revision}"; }}' if shape.revision else ""
        return f"server {{ {listen} {small} {' '.join(large)} {revision} }}"
    locations = " ".join(f"location /r{route} {{ proxy_pass http://origin; }}" for route in range(shape.routes))
    blocks = [f"server {{ {listen} return 404; }}"]
    for host in range(shape.hosts):
        blocks.append(f"server {{ listen 127.0.0.1:{port}; server_name h{host}.example; {locations} }}")
    return "\n".join(blocks)


def configure(folder: Path, ports: Ports, shape: Shape) -> list[str]:
    config = folder / "nginx.conf"
    servers = _servers(ports.listen, shape)
    given = {"folder": folder, "upstream": ports.upstream, "servers": servers, "user": runs_as()}
    config.write_text(CONFIG.format(**given, connections=min(16384, open_files())))
    return [program("nginx"), "-c", str(config), "-e", str(folder / "start.log")]


PEER = Peer("nginx", version, configure, frozenset({Feature.HTTP, Feature.ROUTES, Feature.RELOAD}))
