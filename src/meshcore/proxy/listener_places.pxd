# Listeners by address: whose a connection is that was redirected from where its client meant to go (use_original_dst).
#
# A hash table of the engine, built anew with every listener that comes or goes. The exact address counts, then a wildcard one with the same
# port. Worker thread.
from meshcore.observe.record cimport IpAddress
from meshcore.proxy.objects cimport Engine, ListenerLocal

cdef void listener_places_build(Engine *engine) noexcept nogil
cdef ListenerLocal *listener_at(Engine *engine, const IpAddress *address) noexcept nogil       # NULL: nobody's
