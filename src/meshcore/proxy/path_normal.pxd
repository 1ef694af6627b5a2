# Path normalisation: the HTTP connection manager's normalize_path, merge_slashes and path_with_escaped_slashes_action. Any thread.
from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.conf.tables cimport HcmConf

cdef enum PathOutcome:
    PATH_OK                        # *path is what goes on
    PATH_REJECT                    # 400
    PATH_REDIRECT                  # 307 to *path

cdef int path_normalize(const HcmConf *hcm, Arena *arena, Span *path) noexcept nogil
