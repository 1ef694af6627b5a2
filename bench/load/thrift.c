/* Thrift on both sides of a proxy: `thrift serve` answers calls, `thrift load PORT CONNECTIONS` makes them, one at a time on each connection.
 *
 * Framed, binary, a name of four letters and a string of 64 bytes each way. One thread, epoll; it knows nothing of Thrift but the place of
 * the sequence id and the length of a frame, so that what is measured is the proxy between. `serve` prints its port; `load` ends on SIGINT
 * and then prints one line, RESULT and a JSON object, as wrk.lua does. A reply with another sequence id or length counts as an error. */
#include "paired.h"

enum { TEXT = 64, FRAME = 4 + 4 + 4 + 4 + 4 + 3 + 4 + TEXT + 1, SEQID = 4 + 4 + 4 + 4, FIELD_ID = SEQID + 4 + 1, ROOM = 4 * FRAME };

struct connection {
    int fd;
    uint32_t have;
    uint32_t seqid;
    uint64_t sent_ns;
    char room[ROOM];
};

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
    struct connection *made;
    struct epoll_event events[256];
    int epoll = epoll_create1(0), listener = listen_anywhere(epoll);
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
            watch(epoll, made->fd, made, EPOLLIN);
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

static int make_load(int port, int connections) {
    struct connection *all = calloc((size_t)connections, sizeof *all);
    struct epoll_event events[256];
    int epoll = epoll_create1(0);
    uint64_t began_ns;
    signal(SIGINT, stop);
    for (int i = 0; i < connections; i++) {
        all[i].fd = connect_to(port);
        watch(epoll, all[i].fd, &all[i], EPOLLIN);
    }
    began_ns = now_ns();
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
            errors += connection->have != FRAME || load_at(connection->room + SEQID) != connection->seqid || connection->room[7] != 2;
            answered(connection->sent_ns);
            connection->have = 0;
            ask(connection);
        }
    }
    report(began_ns);
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
