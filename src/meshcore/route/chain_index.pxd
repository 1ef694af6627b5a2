# Chain index: from what is known of a new connection to its filter chain, by Envoy's rules and without a walk through the chains.
#
# Nine questions in a fixed order (ChainLevel), each answered by the most specific entry, never taken back: a connection whose port has an
# entry of its own is not looked up among the others, even when nothing matches there. Each question is a node with its own table, so the
# cost is that of the questions which the chains really ask: a search among sorted numbers or address ranges, a hash of a name.
# Immutable, in a listener's arena, any worker. bind/chain_index builds it.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.observe.record cimport IpAddress

cdef enum ChainLevel:
    LEVEL_PORT                     # destination port
    LEVEL_DESTINATION
    LEVEL_SERVER_NAME              # the name itself, then ever shorter suffixes that begin with a dot
    LEVEL_TRANSPORT
    LEVEL_APPLICATION              # the first of the client's protocols that is known
    LEVEL_DIRECT_SOURCE            # the peer, before a listener filter said another address
    LEVEL_SOURCE_TYPE
    LEVEL_SOURCE
    LEVEL_SOURCE_PORT

cdef enum SourceType:
    SOURCE_LOCAL = 1               # from this host: loopback, or the address that was dialled
    SOURCE_EXTERNAL = 2

cdef enum:
    TARGET_NONE = 0
    TARGET_CHAIN = 0x80000000      # with the chain's position; otherwise 1 + a node's position

cdef struct ChainName:
    uint64_t hash
    Span name
    uint32_t target                # TARGET_NONE = free

cdef struct ChainRange:
    # From this address up to the next entry's. IPv4 addresses are in the first four bytes.
    uint8_t start[16]
    uint32_t target

cdef struct ChainNode:
    uint8_t level                  # ChainLevel
    uint32_t otherwise             # where no entry matches; for addresses: where there is none
    uint16_t *numbers              # ascending: ports, source types
    uint32_t *targets              # of each number
    uint32_t numbers_len
    ChainName *names
    uint32_t names_mask
    ChainRange *v4                 # ascending, the first one starts at the lowest address
    uint32_t v4_len
    ChainRange *v6
    uint32_t v6_len

cdef struct ChainIndex:
    uint32_t root                  # a target
    ChainNode *nodes
    uint32_t nodes_len
    bint local                     # some chain asks for the address that was dialled

cdef struct ChainFacts:
    # What is known of a connection. Addresses may be NULL or of no IP family: they match what asks for no address.
    const IpAddress *local
    const IpAddress *remote
    const IpAddress *direct_remote
    Span server_name               # lower case; empty: none
    Span transport_protocol        # "raw_buffer", "tls"
    const Span *application_protocols           # the client's, in its order
    uint32_t application_protocols_len

cdef int chain_index_find(const ChainIndex *index, const ChainFacts *facts) noexcept nogil       # the chain's position; -1: none
cdef bint is_local_source(const IpAddress *remote, const IpAddress *local) noexcept nogil
cdef bint chain_names_init(ChainNode *node, Arena *arena, uint32_t n) noexcept nogil             # room for n names. False: no memory
cdef void chain_names_put(ChainNode *node, Span name, uint32_t target) noexcept nogil
