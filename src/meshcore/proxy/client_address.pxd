# Who the client is: x-forwarded-for, trusted hops, internal addresses. Worker thread.
from libc.stdint cimport uint16_t

from meshcore.base.span cimport Span
from meshcore.conf.tables cimport HcmConf
from meshcore.observe.record cimport IpAddress
from meshcore.proxy.objects cimport Stream

# Fills stream.remote and STREAM_INTERNAL and treats x-forwarded-for, -proto, -port and :scheme. True: an edge request.
# `reject` becomes the status with which the configuration refuses a client whose address it cannot find.
cdef bint client_identify(Stream *stream, uint16_t *reject) noexcept nogil
cdef bint address_internal(const HcmConf *hcm, const IpAddress *address) noexcept nogil
