# Bucket table: token buckets by key, for limits per client, in bounded memory and without a list of who came last. Any thread, no lock.
#
# All buckets of a table fill at the same rate up to the same number, so a key needs two words: its hash and the bucket's. A bucket that is full
# again is the same as none, so its place is free for another key; only when all places of a key's set are busy does the one that is nearest to
# full go. Two keys with the same 64-bit hash share a bucket. Memory belongs to whoever made the slots.
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    BUCKET_WAYS = 8                # places that a key may have: two cache lines

cdef struct BucketSlot:
    int64_t key                    # atomic; 0: never used
    int64_t empty_at               # atomic; see token_bucket

cdef struct BucketTable:
    BucketSlot *slots              # BUCKET_WAYS * sets of them, all zero at first
    uint64_t sets                  # a power of two
    double max
    double per_second

cdef int64_t *bucket_table_find(BucketTable *table, uint64_t hash, uint64_t now_ns) noexcept nogil     # the word of that key's bucket
