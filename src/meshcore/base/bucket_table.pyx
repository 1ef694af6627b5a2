"""Bucket table; see bucket_table.pxd for the law.

A place changes its key by one compare-and-swap. Whoever still holds the word of the old key takes its token from the new one: that can only
happen within one request, and costs the new key one token.
"""
from meshcore.base.atomics cimport atomic_load, atomic_replace, atomic_store
from meshcore.base.token_bucket cimport word_tokens


cdef int64_t *bucket_table_find(BucketTable *table, uint64_t hash, uint64_t now_ns) noexcept nogil:
    cdef BucketSlot *first = &table.slots[(hash & (table.sets - 1)) * BUCKET_WAYS]
    cdef int64_t key = <int64_t>(hash | 1)
    cdef BucketSlot *best = NULL
    cdef int64_t best_key = 0
    cdef int64_t seen
    cdef double best_tokens
    cdef double tokens
    cdef int i
    while True:
        best = NULL
        best_tokens = -1.0
        for i in range(BUCKET_WAYS):
            seen = atomic_load(&first[i].key)
            if seen == key:
                return &first[i].empty_at
            tokens = word_tokens(&first[i].empty_at, table.max, table.per_second, now_ns)
            if tokens > best_tokens:
                best = &first[i]
                best_key = seen
                best_tokens = tokens
        if atomic_replace(&best.key, best_key, key):
            if best_tokens < table.max:
                atomic_store(&best.empty_at, 0)
            return &best.empty_at
