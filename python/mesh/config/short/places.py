"""From the path of a field in the expanded bootstrap back to the key of the short form that it came from.

Filled while a short form is expanded, kept by its Source, and asked only when a later stage (rules, lowering) reports a
problem: the user wrote `routes[1].match`, and that is what the error must name. Knows nothing of what the paths mean.
"""

from __future__ import annotations


class Places:
    """Prefixes of bootstrap paths and what they stand for; the longest prefix wins."""

    def __init__(self) -> None:
        self._by_prefix: dict[str, str] = {}

    def add(self, prefix: str, short_path: str) -> None:
        self._by_prefix[prefix] = short_path

    def find(self, path: str) -> str:
        """The path in the short form, or `path` itself when nothing is known of it."""
        while path:
            if path in self._by_prefix:
                return self._by_prefix[path]
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        return ""
