# Admission control: refuses a share of requests while the upstream fails, so that it recovers sooner. Worker thread.
#
# Requests that it refuses and health checks leave no trace in its history (admission.pxd), which all workers share.
from libc.stdint cimport uint16_t, uint32_t

from meshcore.base.runtime cimport RuntimeCell
from meshcore.filter.admission cimport AdmissionHistory, AdmissionLaw
from meshcore.filter.http cimport HttpFilterOps

cdef enum:                         # AdmissionStat: http.<stat_prefix>.admission_control.*
    ADMISSION_REJECTED
    ADMISSION_SUCCESS
    ADMISSION_FAILURE
    ADMISSION_STATS

cdef struct StatusRange:
    uint16_t first
    uint16_t end                   # beyond the last one

cdef struct AdmissionConf:
    uint32_t stats[ADMISSION_STATS]
    bint enabled
    RuntimeCell *enabled_cell
    AdmissionLaw law               # threshold and chance as shares
    RuntimeCell *threshold_cell    # percent
    RuntimeCell *aggression_cell
    RuntimeCell *most_cell         # percent
    RuntimeCell *rps_cell
    StatusRange *successes         # HTTP statuses
    uint16_t successes_len
    uint32_t grpc_successes        # bit n: gRPC status n
    AdmissionHistory history

cdef const HttpFilterOps *admission_control_filter() noexcept nogil
