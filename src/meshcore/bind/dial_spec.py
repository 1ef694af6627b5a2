"""The part of the plan (spec.py) that says in which order the addresses of one host are dialled: HappyEyeballsConfig.

Plain values with Envoy's defaults; called by `meshcore.bind.cluster_hosts` for hosts that have several addresses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from meshcore.bind.record import record

if TYPE_CHECKING:
    from meshcore.bind.spec import Address


@record
class HappyEyeballs:
    """`first_family`: v4 | v6 | "" (that of the first address). `first_count`: how many of it come before each one of the other."""

    first_family: str = ""
    first_count: int = 1

    def order(self, addresses: Iterable[Address]) -> tuple[Address, ...]:
        """The addresses with their families interleaved (RFC 8305, section 4); the order within a family stays."""
        given = list(addresses)
        first = self.first_family or _family(given[0])
        ones = [address for address in given if _family(address) == first]
        others = [address for address in given if _family(address) != first]
        found: list[Address] = []
        while ones or others:
            found += ones[: self.first_count] + others[:1]
            ones, others = ones[self.first_count :], others[1:]
        return tuple(found)


def _family(address: Address) -> str:
    return "v6" if ":" in address.host else "v4"
