"""Echo and direct_response; see answerer.pxd for the law."""
from libc.string cimport memset

from meshcore.base.slab cimport slab_free, slab_new
from meshcore.conf.tables cimport CHAIN_DIRECT
from meshcore.io.transport cimport *
from meshcore.proxy.connection cimport connection_begin, connection_end
from meshcore.proxy.network_filter cimport network_filters_pass
from meshcore.proxy.objects cimport *


cdef void answerer_start(ChainLocal *chain, Transport *transport) noexcept nogil:
    cdef Engine *engine = chain.listener.engine
    cdef Answerer *answerer = <Answerer *>slab_new(&engine.answerers)
    if answerer == NULL:
        transport_close(transport)
        return
    memset(answerer, 0, sizeof(Answerer))
    connection_begin(&answerer.conn, &connection_ops, chain, transport)
    transport.ops = &ops
    transport.owner = answerer
    if chain.conf.filters_len and not network_filters_pass(&answerer.conn):
        return
    if chain.conf.kind == CHAIN_DIRECT:
        transport_copy(transport, chain.conf.text.at, chain.conf.text.len)
        transport_finish(transport)
    else:
        transport_read_start(transport)


cdef void end(Answerer *answerer) noexcept nogil:
    if not answerer.closed:
        answerer.closed = True
        transport_close(answerer.conn.transport)


cdef void on_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    (<Answerer *>transport.owner).conn.received += n
    transport_append(transport, at, n)
    transport_flush(transport)


cdef void on_end(Transport *transport, int error) noexcept nogil:
    # Envoy's echo has half-close: the client's FIN is answered by one behind the last byte.
    if error < 0:
        end(<Answerer *>transport.owner)
    else:
        transport_finish(transport)


cdef void on_flushed(Transport *transport) noexcept nogil:
    end(<Answerer *>transport.owner)


cdef void on_high(Transport *transport) noexcept nogil:
    transport_read_stop(transport)


cdef void on_low(Transport *transport) noexcept nogil:
    transport_read_start(transport)


cdef void on_gone(Transport *transport) noexcept nogil:
    cdef Answerer *answerer = <Answerer *>transport.owner
    cdef Engine *engine = answerer.conn.chain.listener.engine
    connection_end(&answerer.conn)
    slab_free(&engine.answerers, answerer)


cdef void drain(Connection *connection) noexcept nogil:
    # Bytes do not say when they are done.
    pass


cdef void abort(Connection *connection) noexcept nogil:
    end(<Answerer *>connection)


cdef ConnectionOps connection_ops
connection_ops.drain = drain
connection_ops.abort = abort

cdef TransportOps ops
ops.on_connected = NULL
ops.on_read = on_read
ops.on_end = on_end
ops.on_high = on_high
ops.on_low = on_low
ops.on_flushed = on_flushed
ops.on_closed = on_gone
