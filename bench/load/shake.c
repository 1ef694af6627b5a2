/* TLS handshakes: `shake load PORT CONNECTIONS full|resumed`, on so many connections at once, each ended in good order and dialled again.
 *
 * Nothing is asked. A connection counts when the server has said goodbye too, so the server has read the whole handshake. `full` is TLS 1.3;
 * `resumed` is TLS 1.2, where the session is known when the handshake ends, and all but the first resume it. One thread, epoll; ends on
 * SIGINT with its report. Must not look at certificates. */
#include "paired.h"
#include <openssl/ssl.h>

struct connection {
    SSL *ssl;
    uint64_t began_ns;
};

static SSL_CTX *client;
static SSL_SESSION *session;
static int resume, server_port;

static void dial(int epoll, struct connection *connection) {
    int fd = connect_to(server_port);
    connection->began_ns = now_ns();
    connection->ssl = SSL_new(client);
    if (connection->ssl == NULL || !SSL_set_fd(connection->ssl, fd))
        fail("SSL_new");
    if (resume && session != NULL)
        SSL_set_session(connection->ssl, session);
    SSL_set_tlsext_host_name(connection->ssl, "n0.example");
    SSL_set_connect_state(connection->ssl);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    watch(epoll, fd, connection, EPOLLIN | EPOLLOUT | EPOLLET);
}

/* The result of a step: does it wait for the server? */
static int waits(struct connection *connection, int result) {
    int error = SSL_get_error(connection->ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static void again(int epoll, struct connection *connection) {
    int fd = SSL_get_fd(connection->ssl);
    SSL_free(connection->ssl);
    close(fd);
    dial(epoll, connection);
}

static void step(int epoll, struct connection *connection) {
    SSL *ssl = connection->ssl;
    char byte;
    int result;
    if (!SSL_is_init_finished(ssl)) {
        result = SSL_do_handshake(ssl);
        if (result != 1) {
            if (waits(connection, result))
                return;
            errors++;
            again(epoll, connection);
            return;
        }
        if (resume && session == NULL)
            session = SSL_get1_session(ssl);
        if (resume && requests > 64 && !SSL_session_reused(ssl))
            errors++;
        SSL_shutdown(ssl);
    }
    result = SSL_read(ssl, &byte, 1); /* tickets, and then the server's goodbye */
    if (result <= 0 && waits(connection, result))
        return;
    answered(connection->began_ns);
    again(epoll, connection);
}

static int make_load(int connections) {
    struct connection *all = calloc((size_t)connections, sizeof *all);
    struct epoll_event events[256];
    int epoll = epoll_create1(0);
    signal(SIGINT, stop);
    uint64_t began_ns = now_ns();
    for (int i = 0; i < connections; i++)
        dial(epoll, &all[i]);
    while (!over) {
        int ready = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < ready; i++)
            step(epoll, events[i].data.ptr);
    }
    report(began_ns);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 5 || strcmp(argv[1], "load") != 0) {
        fprintf(stderr, "usage: shake load PORT CONNECTIONS full|resumed\n");
        return 2;
    }
    server_port = atoi(argv[2]);
    resume = strcmp(argv[4], "resumed") == 0;
    client = SSL_CTX_new(TLS_client_method());
    if (client == NULL)
        fail("SSL_CTX_new");
    SSL_CTX_set_max_proto_version(client, resume ? TLS1_2_VERSION : TLS1_3_VERSION);
    return make_load(atoi(argv[3]));
}
