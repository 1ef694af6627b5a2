# Filter chains that need no upstream: echo sends back what comes, direct_response says its text and ends. Worker thread.
#
# An Answerer is one accepted connection; it lives until its transport has said that it is gone.
from meshcore.io.transport cimport Transport
from meshcore.proxy.objects cimport ChainLocal

cdef void answerer_start(ChainLocal *chain, Transport *transport) noexcept nogil
