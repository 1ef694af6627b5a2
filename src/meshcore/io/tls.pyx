"""TLS on a Transport: handshake, records in, records out, the end. See tls.pxd for the law.

The scratch buffer serves both ways of a read: ciphertext is received MARGIN bytes into it, plain bytes are written from its start. A record's
plain bytes are never more than its ciphertext, and of an earlier read at most one record is unfinished, so the two never meet.
"""
from libc.errno cimport EAGAIN, EINTR, ECONNRESET, errno
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, strdup, strlen

from meshcore.base.buffer cimport (
    buffer_copy, buffer_drain, buffer_fini, buffer_iovecs, buffer_own, buffer_read, iovec,
)
from meshcore.base.clock cimport clock_ms
from meshcore.base.hash cimport xxhash64
from meshcore.base.held cimport held_append, held_fini
from meshcore.base.span cimport Span, span
from meshcore.base.wheel cimport timer_cancel, timer_init, wheel_arm
from meshcore.conf.tls cimport TlsNames, tls_conf_unref, tls_slot_take
from meshcore.io.loop cimport SCRATCH
from meshcore.io.openssl cimport *
from meshcore.io.tls_choice cimport grant_tickets
from meshcore.io.tls_context cimport SID_LEN, tls_session_take
from meshcore.io.tls_count cimport tls_count_handshake
from meshcore.io.tls_facts cimport facts_leave, facts_new
from meshcore.io.tls_failure cimport tls_failure_text
from meshcore.io.transport cimport (
    EPROTO, TlsOps, transport_close, transport_flush, transport_read_start, transport_read_stop, transport_take, transport_tls,
    transport_watch,
)
from meshcore.io.uv cimport MSG_DONTWAIT, MSG_NOSIGNAL, SHUT_RDWR, msghdr, send, sendmsg, shutdown
from meshcore.observe.counters cimport stat_inc

cdef enum:
    MARGIN = 20 * 1024             # more than a record
    RECORD = 16 * 1024             # plain bytes of a record
    WIRE = 128 * 1024              # ciphertext that leaves in one system call
    BATCH = 96 * 1024              # plain bytes that surely fit into it
    IOVECS = 64


# --- OpenSSL's side -------------------------------------------------------------------------------------------------


cdef BIO_METHOD *method = NULL     # of all workers; made at import
cdef uint64_t seed = 0             # of hashes of names, which clients choose
RAND_bytes(<unsigned char *>&seed, sizeof(seed))


cdef int take_fed(BIO *bio, char *out, int n) noexcept nogil:
    cdef TlsShared *shared = <TlsShared *>BIO_get_data(bio)
    BIO_clear_retry_flags(bio)
    if shared.feed_len == 0:
        BIO_set_retry_read(bio)
        return -1
    if <size_t>n > shared.feed_len:
        n = <int>shared.feed_len
    memcpy(out, shared.feed, n)
    shared.feed += n
    shared.feed_len -= n
    return n


cdef int put_wire(BIO *bio, const char *at, int n) noexcept nogil:
    cdef TlsShared *shared = <TlsShared *>BIO_get_data(bio)
    BIO_clear_retry_flags(bio)
    if <size_t>n > WIRE - shared.wire_len:
        BIO_set_retry_write(bio)   # cannot happen: a batch fits
        return -1
    memcpy(shared.wire + shared.wire_len, at, n)
    shared.wire_len += n
    return n


cdef long control(BIO *bio, int command, long n, void *arg) noexcept nogil:
    return 1 if command == BIO_CTRL_FLUSH else 0


cdef _make_method():
    global method
    method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, b"worker")
    BIO_meth_set_read(method, take_fed)
    BIO_meth_set_write(method, put_wire)
    BIO_meth_set_ctrl(method, control)


_make_method()


cdef TlsShared *shared_of(Loop *loop) noexcept nogil:
    cdef TlsShared *shared = <TlsShared *>loop.tls
    if shared != NULL:
        return shared
    shared = <TlsShared *>calloc(1, sizeof(TlsShared))
    if shared == NULL:
        return NULL
    loop.tls = shared
    shared.wire = <char *>malloc(WIRE)
    shared.gather = <char *>malloc(RECORD)
    shared.bio = BIO_new(method)
    if shared.wire == NULL or shared.gather == NULL or shared.bio == NULL:
        tls_loop_end(loop)
        return NULL
    BIO_set_data(shared.bio, shared)
    BIO_set_init(shared.bio, 1)
    return shared


cdef void tls_loop_end(Loop *loop) noexcept nogil:
    cdef TlsShared *shared = <TlsShared *>loop.tls
    if shared != NULL:
        loop.tls = NULL
        BIO_free(shared.bio)
        free(shared.wire)
        free(shared.gather)
        free(shared)


# --- life -----------------------------------------------------------------------------------------------------------


cdef bint tls_name(Tls *tls, const TlsNames *names) noexcept nogil:
    cdef Span asked = names.sni
    if asked.len == 0 and tls.context.sni_of_host:
        asked = names.host
    if asked.len + names.san.len > 0:
        tls.own_names = <char *>malloc(asked.len + 1 + names.san.len)
        if tls.own_names == NULL:
            return False
        if asked.len > 0:
            memcpy(tls.own_names, asked.at, asked.len)
        tls.own_names[asked.len] = 0
        if names.san.len > 0:
            memcpy(tls.own_names + asked.len + 1, names.san.at, names.san.len)
        if names.sni.len + names.san.len > 0:
            tls.names_hash = xxhash64(tls.own_names, asked.len + 1 + names.san.len, seed) | 1
        tls.wanted = span(tls.own_names + asked.len + 1, names.san.len)
    if asked.len > 0:
        tls.asked = span(tls.own_names, asked.len)
    elif tls.context.sni != NULL:
        tls.asked = span(tls.context.sni, tls.context.sni_len)
    if tls.asked.len > 0:
        SSL_set_tlsext_host_name(tls.ssl, tls.asked.at)
    return True


cdef bint open_client(Tls *tls, const TlsNames *names) noexcept nogil:
    cdef SSL_SESSION *session
    SSL_set_connect_state(tls.ssl)
    if not tls_name(tls, names):
        return False
    if tls.context.profile.alpn_len > 0:
        SSL_set_alpn_protos(tls.ssl, <const unsigned char *>tls.context.profile.alpn, tls.context.profile.alpn_len)
    elif names.alpn.len > 0:
        SSL_set_alpn_protos(tls.ssl, <const unsigned char *>names.alpn.at, names.alpn.len)
    session = tls_session_take(tls.context, tls.names_hash)
    if session != NULL:
        SSL_set_session(tls.ssl, session)
        SSL_SESSION_free(session)
    return True


cdef void tls_ask(Tls *tls) noexcept nogil:
    cdef int mode = SSL_VERIFY_NONE
    if tls.context.rules.verify or not tls.server:
        mode = SSL_VERIFY_PEER
    if tls.context.rules.require_peer:
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
    if mode != SSL_VERIFY_NONE:
        SSL_set_verify(tls.ssl, mode, NULL)


cdef bint tls_begin(Transport *transport, const TlsSlot *slot, bint server, const TlsNames *names) noexcept nogil:
    cdef TlsShared *shared = shared_of(transport.loop)
    cdef Tls *tls
    if shared == NULL:
        return False
    tls = <Tls *>calloc(1, sizeof(Tls))
    if tls == NULL:
        return False
    tls.transport = transport
    tls.slot = slot
    tls.stats = transport.loop.stats
    tls.server = server
    tls.state = TLS_SHAKING if server else TLS_WAITING
    tls.context = <TlsContext *>tls_slot_take(slot)
    timer_init(&tls.timer, on_timer, tls)
    transport.tls = tls
    tls.ssl = SSL_new(tls.context.profile.ctx)
    if tls.ssl == NULL:
        return False
    SSL_set_ex_data(tls.ssl, 0, tls)
    BIO_up_ref(shared.bio)
    SSL_set_bio(tls.ssl, shared.bio, shared.bio)
    tls_ask(tls)
    if server:
        SSL_set_session_id_context(tls.ssl, tls.context.sid, SID_LEN)
        SSL_set_accept_state(tls.ssl)
    elif not open_client(tls, names):
        return False
    transport.shaking = server and not tls.context.closed
    if tls.context.closed:
        stat_inc(transport.loop.stats, slot.unready_stat)
        if server:
            wheel_arm(&transport.loop.wheel, &tls.timer, clock_ms(&transport.loop.clock))
    elif slot.handshake_ms:
        wheel_arm(&transport.loop.wheel, &tls.timer, clock_ms(&transport.loop.clock) + slot.handshake_ms)
    if server:
        transport_watch(transport)
    return True


cdef void tls_end(Transport *transport) noexcept nogil:
    cdef Tls *tls = tls_of(transport)
    if tls == NULL:
        return
    transport.tls = NULL
    timer_cancel(&transport.loop.wheel, &tls.timer)
    if tls.facts != NULL:
        facts_leave(tls.facts)
    if tls.ssl != NULL:
        SSL_free(tls.ssl)
    tls_conf_unref(&tls.context.conf)
    buffer_fini(&transport.loop.buffers, &tls.wire)
    held_fini(&tls.held)
    free(tls.failure)
    free(tls.verify_text)
    free(tls.own_names)
    free(tls)


cdef void on_timer(Timer *timer) noexcept nogil:
    # While shaking: it takes too long, or cannot begin. Later: ciphertext is held, and somebody reads again.
    cdef Tls *tls = <Tls *>timer.owner
    cdef Transport *transport = tls.transport
    if transport.closing:
        return
    if tls.state == TLS_OPEN:
        read_held(tls)
    elif tls.context.closed:
        refuse(tls)
    elif tls.state != TLS_ENDED:
        stat_inc(transport.loop.stats, tls.slot.timeout_stat)
        end_handshake(tls, -EPROTO)


# --- the handshake --------------------------------------------------------------------------------------------------


cdef void end_handshake(Tls *tls, int error) noexcept nogil:
    # It failed: what is sealed (an alert) goes out, and the owner hears of it.
    cdef Transport *transport = tls.transport
    cdef bint dialled = not tls.server
    timer_cancel(&transport.loop.wheel, &tls.timer)
    tls.state = TLS_ENDED
    transport.shaking = False
    send_wire(tls)
    transport_read_stop(transport)
    transport_watch(transport)
    if dialled:
        transport.ops.on_connected(transport, error)
    else:
        transport.ops.on_end(transport, error)


cdef void refuse(Tls *tls) noexcept nogil:
    # A secret has not come: nobody is let through, in Envoy's words.
    if tls.state != TLS_ENDED:
        tls.failure = strdup(b"TLS error: Secret is not supplied by SDS")
        end_handshake(tls, -EPROTO)


cdef void take_plain(Tls *tls) noexcept nogil:
    # What the owner has to say before the handshake goes out together with its first message.
    cdef Transport *transport = tls.transport
    cdef TlsShared *shared = <TlsShared *>transport.loop.tls
    cdef size_t n
    transport.ops.on_dialled(transport)
    n = transport.out.len
    if n > 0 and n < WIRE // 2:
        buffer_read(&transport.out, shared.wire, n)
        shared.wire_len = n
        buffer_drain(&transport.loop.buffers, &transport.out, n)


cdef void tls_connected(Transport *transport) noexcept nogil:
    cdef Tls *tls = tls_of(transport)
    tls.state = TLS_SHAKING
    transport.shaking = True
    transport_watch(transport)
    (<TlsShared *>transport.loop.tls).feed_len = 0
    if transport.ops.on_dialled != NULL:
        take_plain(tls)
    shake(tls)
    send_wire(tls)


cdef bint shake(Tls *tls) noexcept nogil:
    # One step; False: it has failed, and the owner knows.
    cdef int result
    if tls.context.closed:
        refuse(tls)
        return False
    ERR_clear_error()
    result = SSL_do_handshake(tls.ssl)
    if result == 1:
        return opened(tls)
    if SSL_get_error(tls.ssl, result) == SSL_ERROR_WANT_READ:
        return True
    tls_failure_text(tls)
    end_handshake(tls, -EPROTO)
    return False


cdef bint opened(Tls *tls) noexcept nogil:
    cdef Transport *transport = tls.transport
    cdef TlsShared *shared = <TlsShared *>transport.loop.tls
    cdef const char *feed = shared.feed
    cdef size_t feed_len = shared.feed_len
    timer_cancel(&transport.loop.wheel, &tls.timer)
    tls.state = TLS_OPEN
    transport.shaking = False
    tls_count_handshake(tls)
    tls.owes_tickets = tls.server
    send_wire(tls)
    transport_watch(transport)
    transport_flush(transport)     # what was written meanwhile
    if transport.ops.on_connected != NULL:
        transport.ops.on_connected(transport, 0)
        shared.feed = feed         # the hook may have moved bytes of others
        shared.feed_len = feed_len
    return not transport.closing


# --- reading --------------------------------------------------------------------------------------------------------


cdef void tls_readable(Transport *transport) noexcept nogil:
    cdef Tls *tls = tls_of(transport)
    cdef char *at = transport.loop.scratch + MARGIN
    cdef ssize_t n = transport_take(transport, at, SCRATCH - MARGIN)
    if n > 0:
        if tls.held.len > 0:
            if held_append(&tls.held, at, n):
                read_held(tls)
            else:
                end(tls, -ECONNRESET)
            return
        feed_bytes(tls, at, <size_t>n)
    elif n != -EAGAIN and n != -EINTR:
        end(tls, <int>n)


cdef void end(Tls *tls, int error) noexcept nogil:
    # The socket has nothing more. Envoy takes a FIN without close_notify for the end of the stream, and so do we.
    cdef Transport *transport = tls.transport
    if tls.state == TLS_SHAKING:
        ERR_clear_error()
        tls_failure_text(tls)
        end_handshake(tls, error if error < 0 else -ECONNRESET)
        return
    tls.state = TLS_ENDED
    transport_read_stop(transport)
    transport.ops.on_end(transport, error)


cdef void feed_bytes(Tls *tls, const char *at, size_t n) noexcept nogil:
    cdef TlsShared *shared = <TlsShared *>tls.transport.loop.tls
    shared.feed = at
    shared.feed_len = n
    if tls.state == TLS_SHAKING:
        if not shake(tls) or tls.state == TLS_SHAKING:
            send_wire(tls)
            return
    if not tls.transport.reading:
        if shared.feed_len > 0 and not held_append(&tls.held, shared.feed, shared.feed_len):
            transport_close(tls.transport)
        return
    decrypt(tls, shared)


cdef void decrypt(Tls *tls, TlsShared *shared) noexcept nogil:
    # All records that are complete, and then one call of the owner.
    cdef Transport *transport = tls.transport
    cdef char *scratch = transport.loop.scratch
    cdef size_t total = 0
    cdef size_t got = 0
    cdef int error = SSL_ERROR_NONE
    ERR_clear_error()
    while error == SSL_ERROR_NONE:
        if SSL_read_ex(tls.ssl, scratch + total, RECORD, &got):
            total += got
        else:
            error = SSL_get_error(tls.ssl, 0)
    if error != SSL_ERROR_WANT_READ and error != SSL_ERROR_ZERO_RETURN:
        tls_failure_text(tls)
    send_wire(tls)
    if total > 0:
        transport.ops.on_read(transport, scratch, total)
    if error == SSL_ERROR_WANT_READ or transport.closing:
        return
    tls.state = TLS_ENDED
    transport_read_stop(transport)
    transport.ops.on_end(transport, 0 if error == SSL_ERROR_ZERO_RETURN else -EPROTO)


cdef void read_held(Tls *tls) noexcept nogil:
    # Held bytes go through the scratch buffer like fresh ones, a buffer at a time.
    cdef Transport *transport = tls.transport
    cdef char *at = transport.loop.scratch + MARGIN
    cdef Held held = tls.held
    cdef size_t done = 0
    cdef size_t part
    tls.held.at = NULL
    tls.held.len = 0
    tls.held.cap = 0
    while done < held.len and not transport.closing and tls.state != TLS_ENDED:
        part = held.len - done
        if part > SCRATCH - MARGIN:
            part = SCRATCH - MARGIN
        memcpy(at, held.at + done, part)
        done += part
        feed_bytes(tls, at, part)
    held_fini(&held)


cdef void tls_read_started(Transport *transport) noexcept nogil:
    # Not from inside this call: its owner may be in the middle of something.
    cdef Tls *tls = tls_of(transport)
    if tls.held.len > 0 and tls.state == TLS_OPEN:
        wheel_arm(&transport.loop.wheel, &tls.timer, clock_ms(&transport.loop.clock))


# --- writing --------------------------------------------------------------------------------------------------------


cdef void broken(Tls *tls) noexcept nogil:
    # The write side is dead; the next read says so to the owner.
    cdef Transport *transport = tls.transport
    transport.failed = True
    transport.blocked = False
    buffer_fini(&transport.loop.buffers, &tls.wire)
    buffer_fini(&transport.loop.buffers, &transport.out)
    if transport.fd >= 0:
        shutdown(transport.fd, SHUT_RDWR)
    transport_read_start(transport)


cdef void send_wire(Tls *tls) noexcept nogil:
    # What OpenSSL has just written; what the kernel does not take is kept.
    cdef Transport *transport = tls.transport
    cdef TlsShared *shared = <TlsShared *>transport.loop.tls
    cdef size_t done = 0
    cdef ssize_t n
    if shared.wire_len == 0:
        return
    if tls.wire.len == 0 and not transport.failed and transport.fd >= 0:
        n = send(transport.fd, shared.wire, shared.wire_len, MSG_DONTWAIT | MSG_NOSIGNAL)
        if n >= 0:
            done = n
        elif errno != EAGAIN and errno != EINTR:
            broken(tls)
    if not transport.failed and done < shared.wire_len:
        transport.blocked = True
        if not buffer_copy(&transport.loop.buffers, &tls.wire, shared.wire + done, shared.wire_len - done):
            broken(tls)
    transport.sent += done
    shared.wire_len = 0
    transport_watch(transport)


cdef bint send_kept(Tls *tls) noexcept nogil:
    # Ciphertext that waits; True: none is left.
    cdef Transport *transport = tls.transport
    cdef iovec parts[IOVECS]
    cdef msghdr message
    cdef ssize_t n
    message.msg_name = NULL
    message.msg_namelen = 0
    message.msg_control = NULL
    message.msg_controllen = 0
    message.msg_flags = 0
    while tls.wire.len > 0:
        message.msg_iov = parts
        message.msg_iovlen = buffer_iovecs(&tls.wire, parts, IOVECS)
        n = sendmsg(transport.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
        if n > 0:
            transport.sent += n
            buffer_drain(&transport.loop.buffers, &tls.wire, n)
        elif errno == EAGAIN:
            transport.blocked = True
            return False
        elif errno != EINTR:
            broken(tls)
            return False
    return True


cdef bint seal(Tls *tls, const char *at, size_t n) noexcept nogil:
    cdef size_t wrote = 0
    while n > 0:
        if not SSL_write_ex(tls.ssl, at, n if n < RECORD else RECORD, &wrote):
            return False
        at += wrote
        n -= wrote
    return True


cdef bint seal_batch(Tls *tls) noexcept nogil:
    # Up to BATCH bytes of the queue: a large slice from where it lies, small ones gathered into one record.
    cdef Transport *transport = tls.transport
    cdef TlsShared *shared = <TlsShared *>transport.loop.tls
    cdef Buffer *out = &transport.out
    cdef size_t done = 0
    cdef size_t n
    while out.len > 0 and done < BATCH:
        n = out.first.len
        if n == out.len or n >= RECORD // 2:
            if n > BATCH - done:
                n = BATCH - done
            if not seal(tls, out.first.at, n):
                return False
        else:
            n = out.len if out.len < RECORD else RECORD
            buffer_read(out, shared.gather, n)
            if not seal(tls, shared.gather, n):
                return False
        buffer_drain(&transport.loop.buffers, out, n)
        done += n
    return True


cdef void tls_send(Transport *transport) noexcept nogil:
    cdef Tls *tls = tls_of(transport)
    if transport.blocked or not send_kept(tls):
        pass
    elif tls.state == TLS_OPEN or (tls.state == TLS_ENDED and not tls.said_bye):
        ERR_clear_error()
        if tls.owes_tickets and transport.out.len > 0:
            tls.owes_tickets = False
            grant_tickets(tls)
        while transport.out.len > 0 and not transport.blocked and not transport.failed:
            if not seal_batch(tls):
                (<TlsShared *>transport.loop.tls).wire_len = 0
                broken(tls)
                break
            send_wire(tls)
        if transport.finishing and transport.out.len == 0 and not transport.failed and not tls.said_bye:
            say_bye(tls)
    if transport.out.len > 0 and not buffer_own(&transport.loop.buffers, &transport.out):
        broken(tls)
    transport_watch(transport)


cdef bint tls_sent_all(Transport *transport) noexcept nogil:
    cdef Tls *tls = tls_of(transport)
    return tls.wire.len == 0 and tls.state != TLS_SHAKING and tls.state != TLS_WAITING


cdef void say_bye(Tls *tls) noexcept nogil:
    tls.said_bye = True
    if SSL_is_init_finished(tls.ssl):
        SSL_shutdown(tls.ssl)
        ERR_clear_error()
        send_wire(tls)


cdef void tls_leave(Transport *transport) noexcept nogil:
    cdef Tls *tls = tls_of(transport)
    timer_cancel(&transport.loop.wheel, &tls.timer)
    if not tls.said_bye and tls.wire.len == 0 and not transport.failed and not transport.connecting and tls.ssl != NULL:
        say_bye(tls)


# --- facts ----------------------------------------------------------------------------------------------------------


cdef TlsFacts *tls_facts(Transport *transport) noexcept nogil:
    cdef Tls *tls = tls_of(transport)
    if tls == NULL or tls.state < TLS_OPEN or not SSL_is_init_finished(tls.ssl):
        return NULL
    if tls.facts == NULL:
        tls.facts = facts_new(tls)
    return tls.facts


cdef Span tls_alpn(Transport *transport) noexcept nogil:
    cdef Tls *tls = tls_of(transport)
    cdef const unsigned char *at = NULL
    cdef unsigned int n = 0
    cdef Span found
    if tls != NULL and tls.ssl != NULL:
        SSL_get0_alpn_selected(tls.ssl, &at, &n)
    found.at = <const char *>at
    found.len = n
    return found


cdef Span tls_sni(Transport *transport) noexcept nogil:
    cdef Tls *tls = tls_of(transport)
    cdef Span found
    found.at = NULL
    found.len = 0
    if tls != NULL and tls.ssl != NULL:
        found.at = SSL_get_servername(tls.ssl, TLSEXT_NAMETYPE_host_name)
        while found.at != NULL and found.at[found.len] != 0:
            found.len += 1
    return found


cdef Span tls_failure(Transport *transport) noexcept nogil:
    cdef Tls *tls = tls_of(transport)
    return span(tls.failure, strlen(tls.failure)) if tls.failure != NULL else span(NULL, 0)


cdef void tls_move(Transport *transport, const TlsSlot *slot) noexcept nogil:
    tls_of(transport).slot = slot


cdef TlsOps ops = TlsOps(
    begin=tls_begin, move=tls_move, connected=tls_connected, readable=tls_readable, read_started=tls_read_started, send=tls_send,
    sent_all=tls_sent_all, leave=tls_leave, end=tls_end, alpn=tls_alpn, sni=tls_sni, failure=tls_failure, facts=tls_facts,
    loop_end=tls_loop_end,
)


cdef void tls_load() noexcept nogil:
    transport_tls(&ops)
