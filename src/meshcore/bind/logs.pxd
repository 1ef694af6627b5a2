# Compiles access logs: which lines they want, how one is written, and where it goes. What it makes lives in the arena of a listener's table and
# ends with it; a file itself belongs to the worker and is known by its place in `files` (path -> index), which grows as paths are met. Called
# by bind/tables and bind/http_conf while a table is built, on the main thread with the GIL.
from meshcore.base.arena cimport Arena
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.conf.tables cimport LogConf, LogFilter
from meshcore.observe.format cimport Format
from meshcore.route.regex cimport Regex

cdef Format *log_format(Arena *arena, object log) except NULL
cdef LogConf *compile_logs(Arena *arena, object logs, dict files, RuntimeCells cells, Regex **regexes) except NULL
cdef int fill_log_filter(Arena *arena, object spec, RuntimeCells cells, Regex **regexes, LogFilter *out) except -1
