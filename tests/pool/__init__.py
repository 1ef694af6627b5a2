"""Upstream connections: reuse, replay of requests that met a stale one, limits, queues."""
