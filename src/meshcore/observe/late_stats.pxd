# Late statistics: those whose names only requests know (a gRPC service and method, a word in a header). A name becomes slots at its first use.
#
# One table for all workers of a proxy: open addressing over pointers that are set once and never change, so a look-up is a hash and a few
# loads, and a new name one compare-and-swap; nobody locks, nobody waits for the main thread. Slots come from the upper end of both halves of
# the workers' arrays (counters.pxd). A name stays for the life of the table; when names or room run out, new ones are refused and counted.
# The registry (bind/stats) owns the table, puts its address into each worker's array while it is attached, and reads the names.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.observe.counters cimport CODE_BLOCKS

cdef enum:
    LATE_MAX = 1 << 16             # names
    LATE_CELLS = 2 * LATE_MAX
    LATE_NAME_MAX = 1024           # bytes of a name

cdef enum LateKind:
    # What stands below a name; the registry has a layout for each.
    LATE_COUNTER                   # the name itself is a counter
    LATE_GRPC                      # GrpcStat
    LATE_ANSWERS                   # AnswerStat
    LATE_KINDS

cdef enum GrpcStat:
    # cluster.<name>.grpc.<service>.<method>.*, in slots
    GRPC_REQUEST_MESSAGES
    GRPC_RESPONSE_MESSAGES
    GRPC_SUCCESS
    GRPC_FAILURE
    GRPC_TOTAL
    GRPC_STATUS                    # "0", and the 16 others

cdef enum:
    GRPC_STATUSES = 17

cdef enum AnswerStat:
    # What the answers to requests add below a name of theirs, in slots.
    ANSWER_COMPLETED
    ANSWER_1XX                     # and the four other classes
    ANSWER_UNKNOWN = ANSWER_1XX + 5
    # ... and in pointer slots.
    ANSWER_CODES = 0
    ANSWER_TIME = CODE_BLOCKS      # a histogram

cdef struct LateStat:
    # Immutable once it is in the table.
    uint64_t hash
    uint32_t slot                  # the first of its slots
    uint32_t block                 # the first of its pointer slots: GRPC has the histogram upstream_rq_time there
    uint16_t len
    uint8_t kind
    bint known                     # the registry's own mark
    char name[1]                   # len bytes

cdef struct LateStats:
    void **cells                   # LATE_CELLS; atomic
    uint64_t seed                  # so that nobody outside can choose names that collide
    int64_t named                  # atomic; names in the table
    int64_t taken                  # atomic; names in it or on their way
    int64_t refused                # atomic; uses of names that found no room
    int64_t slots_taken            # atomic
    int64_t blocks_taken
    uint32_t slots_first           # where its share of each half of the arrays begins
    uint32_t blocks_first
    uint32_t room                  # slots, and pointer slots, of that share
    uint16_t slots_of[LATE_KINDS]
    uint16_t blocks_of[LATE_KINDS]

cdef LateStats *late_stats_new(size_t cap, uint64_t seed) noexcept nogil      # for arrays of `cap` slots; NULL: no memory
cdef void late_stats_free(LateStats *table) noexcept nogil

# The statistics named by the joined parts, made when they are new; any worker. NULL: no room, or the array belongs to no registry.
cdef const LateStat *late_stat(uint64_t *slots, const Span *parts, int n, uint8_t kind) noexcept nogil
