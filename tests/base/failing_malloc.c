/* A malloc whose n-th call from the engine answers NULL; preloaded by test_out_of_memory.py.
 *
 * Only calls that come out of a module of the engine are counted, so that the interpreter goes on. Not thread-safe. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

extern void *__libc_malloc(size_t n);

static long countdown = -1;

/* The n-th call from now on fails (0: the next one); -1: none does. */
__attribute__((visibility("default"))) void fail_at(long n) { countdown = n; }

/* Whether the call that was to fail has come. */
__attribute__((visibility("default"))) int has_failed(void) { return countdown == -2; }

void *malloc(size_t n) {
    Dl_info from;
    if (countdown >= 0 && dladdr(__builtin_return_address(0), &from) && strstr(from.dli_fname, "/meshcore/")) {
        if (countdown == 0) {
            countdown = -2;
            return NULL;
        }
        countdown--;
    }
    return __libc_malloc(n);
}
