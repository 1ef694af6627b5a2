"""Race: see race.pxd for the law."""
from libc.stdlib cimport calloc, free
from posix.fcntl cimport O_CLOEXEC
from posix.unistd cimport close

from meshcore.base.clock cimport clock_ms
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.io.loop cimport Loop
from meshcore.io.transport cimport transport_connected, transport_flush_all, transport_socket
from meshcore.io.uv cimport *
from meshcore.observe.counters cimport stat_inc

cdef extern from *:
    """
    #define _GNU_SOURCE
    #include <unistd.h>
    int dup3(int oldfd, int newfd, int flags);
    """
    int dup3(int old, int new, int flags) noexcept nogil

cdef struct Rival:
    uv_poll_t poll
    Race *race
    int fd                         # -1: not dialled, or out of the race

cdef struct Race:
    Transport *transport
    Loop *loop
    const IpAddress *addresses
    uint32_t n
    uint32_t next                  # which address is dialled next
    uint32_t live                  # dials under way, the transport's own included
    uint32_t handles               # polls that have not closed
    bint over
    Dial dial
    Timer timer
    Rival *rivals                  # by address


# --- life -------------------------------------------------------------------------------------------------------------


cdef void race_begin(Transport *transport, const IpAddress *addresses, uint32_t n, uint32_t next, const Dial *dial) noexcept nogil:
    cdef Race *race = <Race *>calloc(1, sizeof(Race))
    cdef Rival *rivals = <Rival *>calloc(n, sizeof(Rival))
    cdef uint32_t i
    if race == NULL or rivals == NULL:
        free(race)
        free(rivals)
        return
    race.transport = transport
    race.loop = transport.loop
    race.addresses = addresses
    race.n = n
    race.next = next
    race.live = 1
    race.dial = dial[0]
    race.rivals = rivals
    for i in range(n):
        rivals[i].fd = -1
    timer_init(&race.timer, on_step, race)
    transport.race = race
    arm(race)


cdef void let_go(Race *race) noexcept nogil:
    if race.over and race.handles == 0:
        free(race.rivals)
        free(race)


cdef void race_end(Transport *transport) noexcept nogil:
    cdef Race *race = <Race *>transport.race
    cdef uint32_t i
    transport.race = NULL
    timer_cancel(&race.loop.wheel, &race.timer)
    for i in range(race.n):
        drop(&race.rivals[i])
    race.over = True
    let_go(race)


cdef void on_closed(uv_handle_t *handle) noexcept nogil:
    cdef Race *race = (<Rival *>handle.data).race
    race.handles -= 1
    race.loop.handles -= 1
    let_go(race)


cdef void drop(Rival *rival) noexcept nogil:
    if rival.fd < 0:
        return
    uv_close(<uv_handle_t *>&rival.poll, on_closed)
    close(rival.fd)
    rival.fd = -1


# --- rivals -----------------------------------------------------------------------------------------------------------


cdef void arm(Race *race) noexcept nogil:
    if race.next < race.n:
        wheel_arm(&race.loop.wheel, &race.timer, clock_ms(&race.loop.clock) + RACE_STEP_MS)


cdef bint start(Race *race, Rival *rival, int fd) noexcept nogil:
    if uv_poll_init_socket(&race.loop.uv, &rival.poll, fd) < 0:
        close(fd)
        return False
    rival.race = race
    rival.fd = fd
    rival.poll.data = rival
    race.handles += 1
    race.loop.handles += 1
    race.live += 1
    uv_poll_start(&rival.poll, UV_WRITABLE, on_event)
    return True


cdef bint dial_next(Race *race) noexcept nogil:
    # False: no dial is under way any more.
    cdef uint32_t i
    cdef int fd
    timer_cancel(&race.loop.wheel, &race.timer)
    while race.next < race.n:
        i = race.next
        race.next += 1
        fd = transport_socket(&race.addresses[i], &race.dial)
        if fd >= 0 and start(race, &race.rivals[i], fd):
            stat_inc(race.loop.stats, race.transport.race_stat)
            break
    arm(race)
    return race.live > 0


cdef void on_step(Timer *timer) noexcept nogil:
    dial_next(<Race *>timer.owner)


cdef bint race_goes_on(Transport *transport, int error) noexcept nogil:
    cdef Race *race = <Race *>transport.race
    race.live -= 1
    return dial_next(race)


cdef void on_event(uv_poll_t *poll, int status, int events) noexcept nogil:
    cdef Rival *rival = <Rival *>poll.data
    cdef Race *race = rival.race
    cdef Transport *transport = race.transport
    cdef Loop *loop = race.loop
    cdef int error = 0
    cdef unsigned int n = sizeof(error)
    getsockopt(rival.fd, SOL_SOCKET, SO_ERROR, &error, &n)
    if error != 0:
        drop(rival)
        race.live -= 1
        if dial_next(race):
            return
    else:
        take_place(rival, transport)
    race_end(transport)
    transport_connected(transport, error)
    transport_flush_all(loop)


cdef void take_place(Rival *rival, Transport *transport) noexcept nogil:
    # The same descriptor, another socket: whoever has the transport need not know. It must not be watched meanwhile.
    uv_poll_stop(&transport.poll)
    transport.events = 0
    dup3(rival.fd, transport.fd, O_CLOEXEC)
