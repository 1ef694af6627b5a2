/* Atomics that Cython cannot spell: C11 operations on plain integers and pointers, relaxed unless the name says more.
 *
 * Counters shared by workers use the relaxed forms (a reader may see an old value, never a torn one); ownership (reference
 * counts, mailbox) uses acquire/release. Called from every folder, from any thread. */
#ifndef MESH_ATOMICS_H
#define MESH_ATOMICS_H
#include <stdint.h>

static inline int64_t atomic_load(const int64_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
static inline void atomic_store(int64_t *p, int64_t v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
static inline int64_t atomic_add(int64_t *p, int64_t v) { return __atomic_add_fetch(p, v, __ATOMIC_RELAXED); }
static inline int64_t atomic_ref(int64_t *p) { return __atomic_add_fetch(p, 1, __ATOMIC_RELAXED); }
/* The last owner must see every write of the others: release on the way down, acquire at zero. */
static inline int64_t atomic_unref(int64_t *p) { return __atomic_sub_fetch(p, 1, __ATOMIC_ACQ_REL); }
static inline void *atomic_take(void **p) { return __atomic_exchange_n(p, (void *)0, __ATOMIC_ACQUIRE); }
static inline int atomic_swap_if(void **p, void *seen, void *v) {
    return __atomic_compare_exchange_n(p, &seen, v, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}
static inline int atomic_replace(int64_t *p, int64_t seen, int64_t v) {
    return __atomic_compare_exchange_n(p, &seen, v, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
/* For two sides that each write their own word and then read the other's. */
static inline int64_t atomic_swap(int64_t *p, int64_t v) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); }
static inline void *atomic_peek(void **p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
static inline void publish_word(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
static inline uint64_t published_word(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
#endif
