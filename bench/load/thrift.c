/* Thrift on both sides of a proxy: `thrift serve` answers calls, `thrift load PORT CONNECTIONS PAYLOAD` makes them, one at a time on each
 * connection.
 *
 * Framed, binary, a name of four letters; PAYLOAD is a struct of one field, in hexadecimal, which goes both ways. One thread, epoll; it
 * knows nothing of Thrift but the length of a frame, the place of the sequence id and of that field's id, so that what is measured is the
 * proxy between. `serve` prints its port; `load` ends on SIGINT and then prints one line, RESULT and a JSON object, as wrk.lua does. A reply
 * with another sequence id or length counts as an error. */
#include "paired.h"

enum { TYPE = 4 + 3, SEQID = 4 + 4 + 4 + 4, PAYLOAD = SEQID + 4, FIELD_ID = PAYLOAD + 2, ROOM = 1 << 16 };

struct connection {
    int fd;
    uint32_t have;
    uint32_t seqid;
    uint64_t sent_ns;
    char room[ROOM];
};

static char call[ROOM]; /* but for its sequence id */
static uint32_t call_len;

static void store(char *at, uint32_t v) {
    v = htonl(v);
    memcpy(at, &v, 4);
}

static uint32_t load_at(const char *at) {
    uint32_t v;
    memcpy(&v, at, 4);
    return ntohl(v);
}

static void prepare(const char *hexadecimal) {
    call_len = PAYLOAD + (uint32_t)strlen(hexadecimal) / 2;
    if (call_len <= FIELD_ID || call_len > ROOM)
        fail("payload");
    store(call, call_len - 4);
    store(call + 4, 0x80010001u);
    store(call + 8, 4);
    memcpy(call + 12, "echo", 4);
    for (uint32_t i = PAYLOAD; i < call_len; i++, hexadecimal += 2)
        sscanf(hexadecimal, "%2hhx", (unsigned char *)&call[i]);
}

/* The call at the front becomes its reply, whose value is field 0; False: it is not complete. */
static int answer(struct connection *connection) {
    uint32_t n = connection->have < 4 ? 0 : 4 + load_at(connection->room);
    if (n == 0 || n > ROOM || connection->have < n)
        return 0;
    connection->room[TYPE] = 2;
    connection->room[FIELD_ID] = 0;
    if (send(connection->fd, connection->room, n, MSG_NOSIGNAL) != (ssize_t)n)
        return 0;
    connection->have -= n;
    memmove(connection->room, connection->room + n, connection->have);
    return 1;
}

/* Bytes read; 0 when the connection is over. */
static ssize_t fill(struct connection *connection) {
    ssize_t n = recv(connection->fd, connection->room + connection->have, ROOM - connection->have, MSG_DONTWAIT);
    if (n > 0)
        connection->have += (uint32_t)n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? -1 : n;
}

static void serve_one(struct connection *connection) {
    if (fill(connection) == 0) {
        close(connection->fd);
        free(connection);
        return;
    }
    while (answer(connection))
        ;
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
    store(call + SEQID, ++connection->seqid);
    connection->sent_ns = now_ns();
    if (send(connection->fd, call, call_len, MSG_NOSIGNAL) != (ssize_t)call_len)
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
            if (connection->have < call_len)
                continue;
            errors += connection->have != call_len || load_at(connection->room + SEQID) != connection->seqid || connection->room[TYPE] != 2;
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
    if (argc == 5 && strcmp(argv[1], "load") == 0) {
        prepare(argv[4]);
        return make_load(atoi(argv[2]), atoi(argv[3]));
    }
    fprintf(stderr, "usage: thrift serve | thrift load PORT CONNECTIONS PAYLOAD\n");
    return 2;
}
