/* The host behind a proxy that speaks HTTP/2: `http2 serve` answers every request, and prints its port first.
 *
 * A request without a body gets the 66 bytes of the other upstream, one with a body is a gRPC call and gets a message and trailers. One
 * thread, epoll, one write per read; it knows frames and no HPACK, since its answers need nothing of the request: so what is measured is the
 * proxy before it. The connection's window is opened again as bodies come. */
#include "paired.h"

enum { HEAD = 9, PREFACE = 24, ROOM = 1 << 17, CREDIT = 1 << 14 };
enum { DATA = 0, HEADERS = 1, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

struct connection {
    int fd;
    int greeted;
    uint32_t have;
    uint32_t owed; /* bytes of bodies that the peer was not given back yet */
    uint8_t room[ROOM];
};

static uint8_t out[ROOM * 4];
static uint32_t out_len;

static void store(uint8_t *at, uint32_t v) {
    v = htonl(v);
    memcpy(at, &v, 4);
}

static void frame(int type, int flags, const uint8_t *stream, const void *payload, uint32_t n) {
    uint8_t *at = out + out_len;
    at[0] = (uint8_t)(n >> 16);
    at[1] = (uint8_t)(n >> 8);
    at[2] = (uint8_t)n;
    at[3] = (uint8_t)type;
    at[4] = (uint8_t)flags;
    memcpy(at + 5, stream, 4);
    if (n > 0)
        memcpy(at + HEAD, payload, n);
    out_len += HEAD + n;
}

/* HPACK: 0x88 is ":status: 200"; 0f 10 and 0f 0d are literals that nobody indexes, content-type and content-length. */
static void answer(const uint8_t *stream) {
    static const char head[] = "\x88\x0f\x10\x0atext/plain\x0f\x0d\x02" "66";
    static const char body[] = "a small answer of the upstream, as long as a health check's: 66 B.";
    frame(HEADERS, END_HEADERS, stream, head, sizeof head - 1);
    frame(DATA, END_STREAM, stream, body, sizeof body - 1);
}

static void answer_call(const uint8_t *stream) {
    static const char head[] = "\x88\x0f\x10\x10" "application/grpc";
    static const char message[] = "\0\0\0\0\x3d" "a small answer of the upstream to a call, in sixty-one bytes.";
    static const char trailers[] = "\0\x0bgrpc-status\x01" "0";
    frame(HEADERS, END_HEADERS, stream, head, sizeof head - 1);
    frame(DATA, 0, stream, message, sizeof message - 1);
    frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers, sizeof trailers - 1);
}

static void give_back(struct connection *connection, uint32_t n) {
    uint8_t whole[4] = {0}, credit[4];
    connection->owed += n;
    if (connection->owed < CREDIT)
        return;
    store(credit, connection->owed);
    frame(WINDOW_UPDATE, 0, whole, credit, 4);
    connection->owed = 0;
}

static void take(struct connection *connection, const uint8_t *at, uint32_t n) {
    int type = at[3], flags = at[4];
    const uint8_t *stream = at + 5;
    if (type == HEADERS && flags & END_STREAM)
        answer(stream);
    else if (type == DATA) {
        give_back(connection, n);
        if (flags & END_STREAM)
            answer_call(stream);
    } else if ((type == SETTINGS || type == PING) && !(flags & ACK))
        frame(type, ACK, stream, at + HEAD, type == PING ? n : 0);
}

/* How many bytes of the connection's were used. */
static uint32_t take_all(struct connection *connection) {
    uint32_t at = 0;
    if (!connection->greeted) {
        uint8_t whole[4] = {0};
        if (connection->have < PREFACE)
            return 0;
        connection->greeted = 1;
        at = PREFACE;
        frame(SETTINGS, 0, whole, NULL, 0);
    }
    while (connection->have - at >= HEAD) {
        const uint8_t *one = connection->room + at;
        uint32_t n = (uint32_t)one[0] << 16 | (uint32_t)one[1] << 8 | one[2];
        if (connection->have - at < HEAD + n || out_len + 1024 > sizeof out)
            break;
        take(connection, one, n);
        at += HEAD + n;
    }
    return at;
}

static void serve_one(struct connection *connection) {
    ssize_t n = recv(connection->fd, connection->room + connection->have, ROOM - connection->have, 0);
    uint32_t used;
    if (n <= 0) {
        close(connection->fd);
        free(connection);
        return;
    }
    connection->have += (uint32_t)n;
    out_len = 0;
    used = take_all(connection);
    connection->have -= used;
    memmove(connection->room, connection->room + used, connection->have);
    if (out_len > 0 && send(connection->fd, out, out_len, MSG_NOSIGNAL) != (ssize_t)out_len)
        shutdown(connection->fd, SHUT_RDWR);
}

static void serve(void) {
    struct epoll_event events[256];
    int epoll = epoll_create1(0), listener = listen_anywhere(epoll);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection != NULL) {
                serve_one(connection);
                continue;
            }
            connection = calloc(1, sizeof *connection);
            if (connection == NULL || (connection->fd = accept(listener, NULL, NULL)) < 0)
                fail("accept");
            watch(epoll, connection->fd, connection, EPOLLIN);
        }
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        serve();
    fprintf(stderr, "usage: http2 serve\n");
    return 2;
}
