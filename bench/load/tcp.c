/* Bytes on both sides of a TCP proxy: `tcp serve` answers, `tcp load PORT CONNECTIONS BYTES` asks, one question at a time on each connection.
 *
 * A question is 64 bytes whose first four are the length of the answer. Lengths alone are checked: what is measured is the proxy between,
 * and the load drops what comes without copying it. One thread, epoll; `serve` prints its port, `load` ends on SIGINT with its report. */
#include "paired.h"

enum { QUESTION = 64, BLOCK = 256 * 1024, AT_ONCE = 1 << 30 };

struct connection {
    int fd;
    uint32_t have;      /* serve: of a question */
    uint64_t owed;      /* bytes that are still to be sent, or to come */
    uint64_t asked_ns;
    char question[QUESTION];
};

static char block[BLOCK];
static uint32_t answer_bytes;

static void pay(struct connection *connection) {
    while (connection->owed > 0) {
        size_t most = connection->owed < BLOCK ? (size_t)connection->owed : BLOCK;
        ssize_t n = send(connection->fd, block, most, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            return; /* edge-triggered: it goes on when there is room */
        connection->owed -= (uint64_t)n;
    }
}

static void serve_one(struct connection *connection) {
    uint32_t wanted;
    pay(connection);
    for (;;) {
        ssize_t n = recv(connection->fd, connection->question + connection->have, QUESTION - connection->have, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            close(connection->fd);
            free(connection);
            return;
        }
        if (n < 0)
            return;
        connection->have += (uint32_t)n;
        if (connection->have < QUESTION)
            continue;
        memcpy(&wanted, connection->question, 4);
        connection->have = 0;
        connection->owed += ntohl(wanted);
        pay(connection);
    }
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
            watch(epoll, connection->fd, connection, EPOLLIN | EPOLLOUT | EPOLLET);
        }
    }
}

static void ask(struct connection *connection) {
    uint32_t wanted = htonl(answer_bytes);
    memcpy(connection->question, &wanted, 4);
    connection->owed = answer_bytes;
    connection->asked_ns = now_ns();
    if (send(connection->fd, connection->question, QUESTION, MSG_NOSIGNAL) != QUESTION)
        fail("send");
}

static void take(int epoll, struct connection *connection) {
    ssize_t n = recv(connection->fd, NULL, AT_ONCE, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || (uint64_t)n > connection->owed) {
        errors++;
        epoll_ctl(epoll, EPOLL_CTL_DEL, connection->fd, NULL);
        return;
    }
    connection->owed -= (uint64_t)n;
    if (connection->owed == 0) {
        answered(connection->asked_ns);
        ask(connection);
    }
}

static int make_load(int port, int connections) {
    struct connection *all = calloc((size_t)connections, sizeof *all);
    struct epoll_event events[256];
    int epoll = epoll_create1(0);
    signal(SIGINT, stop);
    for (int i = 0; i < connections; i++) {
        all[i].fd = connect_to(port);
        watch(epoll, all[i].fd, &all[i], EPOLLIN);
    }
    uint64_t began_ns = now_ns();
    for (int i = 0; i < connections; i++)
        ask(&all[i]);
    while (!over) {
        int ready = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < ready; i++)
            take(epoll, events[i].data.ptr);
    }
    report(began_ns);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        serve();
    if (argc == 5 && strcmp(argv[1], "load") == 0) {
        answer_bytes = (uint32_t)atoi(argv[4]);
        return make_load(atoi(argv[2]), atoi(argv[3]));
    }
    fprintf(stderr, "usage: tcp serve | tcp load PORT CONNECTIONS BYTES\n");
    return 2;
}
