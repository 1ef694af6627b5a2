"""/memory: what the process has in memory (envoy.admin.v3.Memory), in bytes.

Envoy tells of its allocator; mesh shares the process with Python, so the kernel's account is what is true of both. There is no page heap
and no thread cache to tell of. Called on the pages' thread."""

from __future__ import annotations

from typing import Any

from mesh.admin.json_text import dumps, shown
from mesh.admin.pages import Query
from mesh.filters import Reply
from mesh.server_stats import memory


def page(proxy: Any, query: Query) -> Reply:
    from envoy.admin.v3.memory_pb2 import Memory

    now = memory()
    message = Memory(allocated=now.allocated, heap_size=now.heap, total_physical_bytes=now.physical)
    return Reply(200, dumps(shown(message, defaults=True)), "application/json")
