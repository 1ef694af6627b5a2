# Format trees of the config layer compiled for the engine. Main thread, with the GIL.
from meshcore.base.arena cimport Arena
from meshcore.observe.format cimport Format

# The text format, or the JSON format of a tree of dicts, lists, strings, numbers, booleans and None (dict keys are written sorted, a
# newline ends the line). Raises ValueError with the message of the compiler, and for a tree the path of the value.
cdef Format *compile_text(Arena *arena, str text, bint omit_empty) except NULL
cdef Format *compile_json(Arena *arena, object tree, bint omit_empty) except NULL
