/* Thrift on both sides of a proxy: `thrift serve` answers calls, `thrift load PORT CONNECTIONS` makes them, one at a time on each connection.
 *
 * Framed, binary, a name of four letters and a string of 64 bytes each way. One thread, epoll; it knows nothing of Thrift but the place of
 * the sequence id and the length of a frame, so that what is measured is the proxy between. `serve` prints its port; `load` ends on SIGINT
 * and then prints one line, RESULT and a JSON object, as wrk.lua does. A reply with another sequence id or length counts as an error. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TEXT = 64, FRAME = 4 + 4 + 4 + 4 + 4 + 3 + 4 + TEXT + 1, SEQID = 4 + 4 + 4 + 4, FIELD_ID = SEQID + 4 + 1, ROOM = 4 * FRAME, BINS = 1 << 20 };

struct connection {
    int fd;
    uint32_t have;
    uint32_t seqid;
    uint64_t sent_ns;
    char room[ROOM];
};

static volatile sig_atomic_t over;
static uint32_t bins[BINS]; /* of whole microseconds; the last one is for all that took longer */

static void stop(int signal_number) {
    (void)signal_number;
    over = 1;
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void store(char *at, uint32_t v) {
    v = htonl(v);
    memcpy(at, &v, 4);
}

static uint32_t load_at(const char *at) {
    uint32_t v;
    memcpy(&v, at, 4);
    return ntohl(v);
}

/* type: 1 is a call, whose string is field 1; 2 is a reply, whose string is field 0. */
static void message(char *out, uint32_t type, uint32_t seqid) {
    store(out, FRAME - 4);
    store(out + 4, 0x80010000u | type);
    store(out + 8, 4);
    memcpy(out + 12, "echo", 4);
    store(out + SEQID, seqid);
    out[SEQID + 4] = 11;
    out[FIELD_ID] = 0;
    out[FIELD_ID + 1] = type == 1;
    store(out + FIELD_ID + 2, TEXT);
    memset(out + FIELD_ID + 6, 'x', TEXT);
    out[FRAME - 1] = 0;
}

static void add(int epoll, struct connection *connection) {
    int on = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        fail("epoll_ctl");
}

/* Bytes read; 0 when the connection is over. */
static ssize_t fill(struct connection *connection) {
    ssize_t n = recv(connection->fd, connection->room + connection->have, ROOM - connection->have, MSG_DONTWAIT);
    if (n > 0)
        connection->have += (uint32_t)n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? -1 : n;
}

static void serve_one(struct connection *connection) {
    char reply[FRAME];
    if (fill(connection) == 0) {
        close(connection->fd);
        free(connection);
        return;
    }
    while (connection->have >= FRAME) {
        message(reply, 2, load_at(connection->room + SEQID));
        if (send(connection->fd, reply, FRAME, MSG_NOSIGNAL) != FRAME)
            break;
        connection->have -= FRAME;
        memmove(connection->room, connection->room + FRAME, connection->have);
    }
}

static void serve(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
    struct connection *made;
    struct epoll_event events[256], event = {.events = EPOLLIN, .data.ptr = NULL};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
        fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &n);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr != NULL) {
                serve_one(events[i].data.ptr);
                continue;
            }
            made = calloc(1, sizeof *made);
            if (made == NULL || (made->fd = accept(listener, NULL, NULL)) < 0)
                fail("accept");
            add(epoll, made);
        }
    }
}

static void ask(struct connection *connection) {
    char call[FRAME];
    message(call, 1, ++connection->seqid);
    connection->sent_ns = now_ns();
    if (send(connection->fd, call, FRAME, MSG_NOSIGNAL) != FRAME)
        fail("send");
}

static uint64_t percentile(uint64_t requests, double share) {
    uint64_t seen = 0;
    for (uint64_t us = 0; us < BINS; us++)
        if ((seen += bins[us]) >= (uint64_t)(share * (double)requests))
            return us;
    return BINS;
}

static int make_load(int port, int connections) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct connection *all = calloc((size_t)connections, sizeof *all);
    struct epoll_event events[256];
    int epoll = epoll_create1(0);
    uint64_t requests = 0, errors = 0, began;
    signal(SIGINT, stop);
    for (int i = 0; i < connections; i++) {
        all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(all[i].fd, (struct sockaddr *)&address, sizeof address) < 0)
            fail("connect");
        add(epoll, &all[i]);
    }
    began = now_ns();
    for (int i = 0; i < connections; i++)
        ask(&all[i]);
    while (!over) {
        int ready = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (fill(connection) == 0) {
                errors++;
                epoll_ctl(epoll, EPOLL_CTL_DEL, connection->fd, NULL);
                continue;
            }
            if (connection->have < FRAME)
                continue;
            uint64_t us = (now_ns() - connection->sent_ns) / 1000;
            errors += connection->have != FRAME || load_at(connection->room + SEQID) != connection->seqid || connection->room[7] != 2;
            bins[us < BINS ? us : BINS - 1]++;
            requests++;
            connection->have = 0;
            ask(connection);
        }
    }
    printf("RESULT {\"requests\": %llu, \"duration_us\": %llu, \"p50_us\": %llu, \"p99_us\": %llu, \"connect\": 0, \"read\": 0, \"write\": 0, "
           "\"status\": %llu, \"timeout\": 0}\n",
           (unsigned long long)requests, (unsigned long long)((now_ns() - began) / 1000), (unsigned long long)percentile(requests, 0.5),
           (unsigned long long)percentile(requests, 0.99), (unsigned long long)errors);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        serve();
    if (argc == 4 && strcmp(argv[1], "load") == 0)
        return make_load(atoi(argv[2]), atoi(argv[3]));
    fprintf(stderr, "usage: thrift serve | thrift load PORT CONNECTIONS\n");
    return 2;
}
