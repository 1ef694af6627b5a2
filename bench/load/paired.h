/* What the programs of both sides of a proxy share: a listening socket whose port is printed, connections, latencies in whole microseconds,
 * and the one line of the report, RESULT and a JSON object, as wrk.lua ends with. Included once by each program; one thread. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

enum { BINS = 1 << 20 };

static volatile sig_atomic_t over;
static uint32_t bins[BINS]; /* the last one is for all that took longer */
static uint64_t requests, errors;

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

/* A connection, or NULL for the listening socket. */
static void watch(int epoll, int fd, void *connection, uint32_t wanted) {
    int on = 1;
    struct epoll_event event = {.events = wanted, .data.ptr = connection};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
}

static inline int listen_anywhere(int epoll) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
        fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &n);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    watch(epoll, listener, NULL, EPOLLIN);
    return listener;
}

static int connect_to(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    return fd;
}

static void answered(uint64_t sent_ns) {
    uint64_t us = (now_ns() - sent_ns) / 1000;
    bins[us < BINS ? us : BINS - 1]++;
    requests++;
}

static uint64_t percentile(double share) {
    uint64_t seen = 0;
    for (uint64_t us = 0; us < BINS; us++)
        if ((seen += bins[us]) >= (uint64_t)(share * (double)requests))
            return us;
    return BINS;
}

static void report(uint64_t began_ns) {
    printf("RESULT {\"requests\": %llu, \"duration_us\": %llu, \"p50_us\": %llu, \"p99_us\": %llu, \"connect\": 0, \"read\": 0, \"write\": 0, "
           "\"status\": %llu, \"timeout\": 0}\n",
           (unsigned long long)requests, (unsigned long long)((now_ns() - began_ns) / 1000), (unsigned long long)percentile(0.5),
           (unsigned long long)percentile(0.99), (unsigned long long)errors);
}
