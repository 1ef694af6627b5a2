# Host index: from a request to the first route of a list whose path condition holds, without a walk through the list.
#
# A virtual host has one for its routes, or one for each list that its match tree can choose. Two tries of paths (letter case counts, and
# does not), and the CONNECT routes apart, which ask for no path. Immutable, in the table's arena; route/table.pyx looks things up in it.
from libc.stdint cimport uint32_t

from meshcore.route.path_index cimport PathIndex
from meshcore.route.table cimport RouteRange, RouteTable, VirtualHost

cdef struct HostIndex:
    PathIndex cased
    PathIndex caseless
    const uint32_t *connects       # PATH_CONNECT routes, ascending
    uint32_t connects_len
    bint cut_parameters            # path parameters do not count

# Of `part` of the host's routes. NULL: no memory.
cdef HostIndex *host_index_build(RouteTable *table, const VirtualHost *host, RouteRange part) noexcept nogil
