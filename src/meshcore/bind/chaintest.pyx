"""Test face of the chain index: conditions in, and which chain a connection with these facts would get. Main thread."""
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from meshcore.base.arena cimport Arena, arena_fini, arena_init
from meshcore.base.span cimport Span, span
from meshcore.bind.address cimport address_fill
from meshcore.bind.chain_index cimport compile_chains
from meshcore.observe.record cimport IpAddress
from meshcore.route.chain_index cimport ChainFacts, ChainIndex, chain_index_find


cdef class Chains:
    """The index of some filter chains."""

    cdef Arena arena
    cdef ChainIndex *index

    def __cinit__(self, chains):
        arena_init(&self.arena, NULL)
        self.index = compile_chains(&self.arena, chains)

    def __dealloc__(self):
        arena_fini(&self.arena)

    @property
    def questions(self):
        """How many nodes the index has."""
        return self.index.nodes_len

    def find(self, local, remote, direct, bytes server_name, bytes transport, protocols):
        """Position of the chain, or None."""
        cdef ChainFacts facts
        cdef IpAddress addresses[3]
        cdef Span *names = <Span *>malloc((len(protocols) + 1) * sizeof(Span))
        cdef bytes one
        cdef int found
        memset(&facts, 0, sizeof(ChainFacts))
        for i, address in enumerate((local, remote, direct)):
            address_fill(address, &addresses[<int>i])
        facts.local, facts.remote, facts.direct_remote = &addresses[0], &addresses[1], &addresses[2]
        facts.server_name = span(server_name, len(server_name))
        facts.transport_protocol = span(transport, len(transport))
        for i, one in enumerate(protocols):
            names[<int>i] = span(one, len(one))
        facts.application_protocols = names
        facts.application_protocols_len = len(protocols)
        found = chain_index_find(self.index, &facts)
        free(names)
        for i in range(3):
            free(<void *>addresses[<int>i].path)
        return None if found < 0 else found
