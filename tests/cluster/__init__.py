"""Retries, other hosts and circuit breakers."""
