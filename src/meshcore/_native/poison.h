/* Tells AddressSanitizer which bytes of a free list are dead; nothing at all in other builds.
 *
 * Called by base/ wherever memory goes to a free list instead of to free(), so that a use after that is reported as if it had been
 * freed. Any thread. */
#ifndef MESH_POISON_H
#define MESH_POISON_H
#include <stddef.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
static inline void mesh_poison(void *at, size_t n) { __asan_poison_memory_region(at, n); }
static inline void mesh_unpoison(void *at, size_t n) { __asan_unpoison_memory_region(at, n); }
#else
static inline void mesh_poison(void *at, size_t n) { (void)at; (void)n; }
static inline void mesh_unpoison(void *at, size_t n) { (void)at; (void)n; }
#endif
#endif
