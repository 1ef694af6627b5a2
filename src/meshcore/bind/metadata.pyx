"""Python values as metadata; see metadata.pxd for the law."""
from libc.string cimport memset

from meshcore.base.span cimport Span
from meshcore.bind.matchers cimport keep
from meshcore.observe.metadata cimport (
    META_BOOL, META_LIST, META_NULL, META_NUMBER, META_STRUCT, META_TEXT, MetaItem, filter_state_set, meta_append, meta_make,
    metadata_namespace,
)


cdef MetaValue *_there(MetaValue *value) except NULL:
    if value == NULL:
        raise MemoryError
    return value


cdef int metadata_value(Arena *arena, object value, MetaValue *out) except -1:
    memset(out, 0, sizeof(MetaValue))
    if value is None:
        out.kind = META_NULL
    elif isinstance(value, bool):
        out.kind = META_BOOL
        out.flag = value
    elif isinstance(value, (int, float)):
        out.kind = META_NUMBER
        out.number = value
    elif isinstance(value, (str, bytes)):
        out.kind = META_TEXT
        out.text = keep(arena, value)
    elif isinstance(value, dict):
        out.kind = META_STRUCT
        for key, item in value.items():
            metadata_value(arena, item, _there(meta_make(out, arena, keep(arena, key))))
    elif isinstance(value, (list, tuple)):
        out.kind = META_LIST
        for item in value:
            metadata_value(arena, item, _there(meta_append(out, arena)))
    else:
        raise TypeError(f"metadata holds what JSON holds, not {type(value).__name__}")
    return 0


cdef int metadata_fill(Arena *arena, object namespaces, Metadata *out) except -1:
    for name, value in namespaces.items():
        metadata_value(arena, value, _there(metadata_namespace(out, arena, keep(arena, name))))
    return 0


cdef int filter_state_fill(Arena *arena, object texts, FilterState *out) except -1:
    for key, text in texts.items():
        if not filter_state_set(out, arena, keep(arena, key), keep(arena, text)):
            raise MemoryError
    return 0


cdef str _text(Span text):
    return text.at[:text.len].decode("utf-8", "surrogateescape") if text.len > 0 else ""


cdef object metadata_object(const MetaValue *value):
    cdef const MetaItem *item
    if value == NULL or value.kind == META_NULL:
        return None
    if value.kind == META_BOOL:
        return bool(value.flag)
    if value.kind == META_NUMBER:
        return value.number
    if value.kind == META_TEXT:
        return _text(value.text)
    found = []
    item = value.items
    while item != NULL:
        found.append((_text(item.key), metadata_object(&item.value)))
        item = item.next
    return dict(found) if value.kind == META_STRUCT else [one for _, one in found]
