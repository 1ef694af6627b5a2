"""Settings of set_metadata and set_filter_state; see filter_facts.pxd."""
from meshcore.base.arena cimport Arena
from meshcore.bind.filter_scope cimport FilterScope, nearest
from meshcore.bind.format cimport compile_json, compile_text
from meshcore.bind.matchers cimport keep, take
from meshcore.bind.metadata cimport metadata_value
from meshcore.bind.stats cimport Layout
from meshcore.filter.set_filter_state cimport SetFilterStateConf, StateEntry
from meshcore.filter.set_metadata cimport SET_METADATA_STATS, MetadataEntry, SetMetadataConf

from meshcore.bind import filter_stats

cdef Layout set_metadata_layout = Layout(filter_stats.SET_METADATA)


cdef void *compile_set_metadata(FilterScope scope, tuple specs) except NULL:
    cdef SetMetadataConf *conf = <SetMetadataConf *>scope.room(sizeof(SetMetadataConf))
    spec = nearest(specs)
    scope.stats(scope.prefix + "set_metadata.", set_metadata_layout, SET_METADATA_STATS, conf.stats)
    conf.entries_len = len(spec.entries)
    conf.entries = <MetadataEntry *>scope.room(sizeof(MetadataEntry) * conf.entries_len)
    for i, one in enumerate(spec.entries):
        conf.entries[<int>i].namespace = keep(scope.arena, one.namespace)
        conf.entries[<int>i].overwrites = one.allow_overwrite
        metadata_value(scope.arena, one.value, &conf.entries[<int>i].value)
    return conf


cdef SetFilterStateConf *compile_state_values(Arena *arena, object values) except NULL:
    cdef SetFilterStateConf *conf = <SetFilterStateConf *>take(arena, sizeof(SetFilterStateConf))
    cdef StateEntry *entry
    conf.entries_len = len(values)
    conf.entries = <StateEntry *>take(arena, sizeof(StateEntry) * conf.entries_len)
    for i, one in enumerate(values):
        entry = &conf.entries[<int>i]
        entry.key = keep(arena, one.key)
        if one.json is not None:
            entry.format = compile_json(arena, one.json, one.omit_empty)
        else:
            entry.format = compile_text(arena, one.format, one.omit_empty)
        entry.read_only = one.read_only
        entry.skip_empty = one.skip_if_empty
    return conf


cdef void *compile_set_filter_state(FilterScope scope, tuple specs) except NULL:
    cdef tuple levels = specs if scope.own is None else (scope.own, *specs)
    return compile_state_values(scope.arena, [one for spec in levels for one in spec.on_request_headers])
