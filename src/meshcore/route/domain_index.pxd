# Domain index: from a host name to its virtual host. Exact names, then the longest suffix wildcard (*.foo, *-bar.foo), then the
# longest prefix wildcard (foo.*), then "*".
#
# One open-addressing hash table; a wildcard is looked up once per distinct length, longest first. Immutable, in the table's arena.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span

cdef enum DomainKind:
    DOMAIN_EXACT
    DOMAIN_SUFFIX                  # the text is what follows the asterisk
    DOMAIN_PREFIX                  # the text is what precedes it
    DOMAIN_ANY

cdef enum:
    NO_HOST = 0xffffffff

cdef struct Domain:
    Span text                      # lower case, without the asterisk
    uint32_t host                  # position in the table
    uint8_t kind                   # DomainKind

cdef struct DomainSlot:
    uint64_t hash
    const Domain *domain           # NULL: free

cdef struct DomainIndex:
    DomainSlot *slots
    uint32_t mask
    uint32_t *suffix_lens          # distinct lengths, longest first
    uint32_t *prefix_lens
    uint32_t suffix_lens_len
    uint32_t prefix_lens_len
    uint32_t any_host              # NO_HOST: there is no "*"
    bint only_any                  # nothing but "*": the host name does not matter

# False: no memory. The domains stay with the caller's arena. Duplicates were refused when the configuration was loaded.
cdef bint domain_index_build(DomainIndex *index, Arena *arena, const Domain *domains, uint32_t n) noexcept nogil
cdef uint32_t domain_index_find(const DomainIndex *index, Span host) noexcept nogil        # letter case apart; NO_HOST: none
