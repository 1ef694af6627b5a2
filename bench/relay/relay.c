/* A bare byte relay: the floor that every HTTP proxy on this machine stands on.
 *
 * Owns: one listening socket, one epoll descriptor, one buffer that all connections share.
 * Each accepted connection gets its own upstream connection; bytes are copied both ways unread. It must not learn
 * HTTP, pool, or use a second thread: what it costs is the price of the system calls alone.
 * Called by the benchmark's harness as `relay LISTEN_PORT UPSTREAM_PORT`; single thread; ends when it is killed.
 *
 * Level-triggered on purpose: one read and one write per readable event, no extra read that only finds EAGAIN.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SHARED_BYTES = 65536, EVENTS = 512, BACKLOG = 4096 };

struct pair;

struct side {
    int fd;
    uint32_t interest;    /* what epoll was last told */
    bool connecting;      /* upstream only, until the handshake is done */
    bool ended;           /* the peer sent its FIN; nothing more to read */
    char *pending;        /* bytes this side could not take yet; NULL when none */
    size_t pending_len;
    size_t pending_sent;
    struct side *other;
    struct pair *pair;
};

struct pair {
    struct side downstream;
    struct side upstream;
    struct pair *next_dead;
    bool dead;
};

static char shared[SHARED_BYTES];
static int epoll_fd;
static struct sockaddr_in upstream_address;
static struct pair *dead_pairs; /* freed after the batch: later events of it may still point here */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void pair_end(struct pair *pair)
{
    if (pair->dead)
        return;
    pair->dead = true;
    close(pair->downstream.fd);
    close(pair->upstream.fd);
    pair->next_dead = dead_pairs;
    dead_pairs = pair;
}

static void free_dead(void)
{
    while (dead_pairs) {
        struct pair *pair = dead_pairs;
        dead_pairs = pair->next_dead;
        free(pair->downstream.pending);
        free(pair->upstream.pending);
        free(pair);
    }
}

/* A side is read only while the other one can take bytes: the relay never buffers more than one read. */
static void side_watch(struct side *side)
{
    uint32_t wanted = 0;
    if (!side->ended && !side->connecting && !side->other->connecting && !side->other->pending)
        wanted |= EPOLLIN;
    if (side->connecting || side->pending)
        wanted |= EPOLLOUT;
    if (wanted == side->interest)
        return;
    struct epoll_event event = {.events = wanted, .data.ptr = side};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, side->fd, &event) < 0)
        fail("epoll_ctl");
    side->interest = wanted;
}

static void side_add(struct side *side, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.ptr = side};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, side->fd, &event) < 0)
        fail("epoll_ctl");
    side->interest = interest;
}

static void pair_accept(int fd)
{
    struct pair *pair = calloc(1, sizeof *pair);
    int up = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (!pair || up < 0)
        fail("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(up, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pair->downstream = (struct side){.fd = fd, .other = &pair->upstream, .pair = pair};
    pair->upstream = (struct side){.fd = up, .connecting = true, .other = &pair->downstream, .pair = pair};
    if (connect(up, (struct sockaddr *)&upstream_address, sizeof upstream_address) < 0 && errno != EINPROGRESS)
        fail("connect");
    side_add(&pair->upstream, EPOLLOUT);
    side_add(&pair->downstream, 0);
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            pair_accept(fd);
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR && errno != ECONNABORTED)
            fail("accept4");
    }
}

static bool keep_rest(struct side *side, size_t sent, size_t len)
{
    side->pending = malloc(len - sent);
    if (!side->pending)
        return false;
    memcpy(side->pending, shared + sent, len - sent);
    side->pending_len = len - sent;
    side->pending_sent = 0;
    return true;
}

static void side_readable(struct side *side)
{
    struct side *other = side->other;
    ssize_t len = read(side->fd, shared, sizeof shared);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len < 0) {
        pair_end(side->pair);
        return;
    }
    if (len == 0) {
        side->ended = true;
        if (other->ended) {
            pair_end(side->pair);
            return;
        }
        shutdown(other->fd, SHUT_WR);
        side_watch(side);
        return;
    }
    ssize_t sent = write(other->fd, shared, (size_t)len);
    if (sent < 0 && errno != EAGAIN) {
        pair_end(side->pair);
        return;
    }
    if (sent < len) {
        if (!keep_rest(other, sent < 0 ? 0 : (size_t)sent, (size_t)len)) {
            pair_end(side->pair);
            return;
        }
        side_watch(side);
        side_watch(other);
    }
}

static void side_writable(struct side *side)
{
    if (side->connecting) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(side->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            pair_end(side->pair);
            return;
        }
        side->connecting = false;
    } else if (side->pending) {
        ssize_t sent = write(side->fd, side->pending + side->pending_sent, side->pending_len - side->pending_sent);
        if (sent < 0 && errno != EAGAIN) {
            pair_end(side->pair);
            return;
        }
        side->pending_sent += sent < 0 ? 0 : (size_t)sent;
        if (side->pending_sent == side->pending_len) {
            free(side->pending);
            side->pending = NULL;
        }
    }
    side_watch(side);
    side_watch(side->other);
}

static int listen_on(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, BACKLOG) < 0)
        fail("listen");
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: relay LISTEN_PORT UPSTREAM_PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    upstream_address = (struct sockaddr_in){.sin_family = AF_INET,
                                            .sin_port = htons((uint16_t)atoi(argv[2])),
                                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_on(atoi(argv[1]));
    struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &accepting) < 0)
        fail("epoll_ctl");
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct side *side = events[i].data.ptr;
            if (!side) {
                accept_all(listener);
                continue;
            }
            if (!side->pair->dead && (events[i].events & EPOLLOUT))
                side_writable(side);
            if (!side->pair->dead && (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
                side_readable(side);
        }
        free_dead();
    }
}
