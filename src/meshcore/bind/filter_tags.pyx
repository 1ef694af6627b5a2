"""Settings of ip_tagging and json_to_metadata; see filter_tags.pxd."""
import ipaddress

from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from meshcore.bind.filter_scope cimport FilterScope, nearest
from meshcore.bind.load_balancer cimport keep_all
from meshcore.bind.matchers cimport compile_regex, keep
from meshcore.bind.metadata cimport metadata_value
from meshcore.bind.stats cimport Layout
from meshcore.filter.ip_tagging cimport TAG_NO_HIT, TAG_TOTAL, IpTaggingConf, TagPiece, TagSet, TagTable
from meshcore.filter.json_to_metadata cimport (
    JSON_AS_NUMBER, JSON_AS_STRING, JSON_AS_VALUE, JSON_STATS, JsonFact, JsonRule, JsonRules, JsonToMetadataConf,
)
from meshcore.filter.ratelimit cimport REQUEST_BOTH, REQUEST_EXTERNAL, REQUEST_INTERNAL
from meshcore.observe.metadata cimport MetaValue

from meshcore.bind import filter_stats
from meshcore.bind.filter_spec import ALWAYS_TAGGING

REQUEST_TYPES = {"both": REQUEST_BOTH, "internal": REQUEST_INTERNAL, "external": REQUEST_EXTERNAL}
JSON_TYPES = {"value": JSON_AS_VALUE, "string": JSON_AS_STRING, "number": JSON_AS_NUMBER}

LAST = {4: int(ipaddress.IPv4Address("255.255.255.255")), 6: int(ipaddress.IPv6Address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))}

cdef Layout json_layout = Layout(filter_stats.JSON_TO_METADATA)


# --- ip tagging -----------------------------------------------------------------------------------------------------------


def side_by_side(tags, version):
    """Ranges of one family laid side by side: (first address, positions in `tags` of those that hold it), ascending."""
    edges = {}                     # address -> (tags that begin there, tags that end before it)
    for place, (_name, blocks) in enumerate(tags):
        for host, bits in blocks:
            network = ipaddress.ip_network((host, bits), strict=False)
            if network.version == version:
                first = int(network.network_address)
                edges.setdefault(first, ([], []))[0].append(place)
                edges.setdefault(first + network.num_addresses, ([], []))[1].append(place)
    depth = [0] * len(tags)
    held = set()
    for address in sorted(edges):
        for place in edges[address][1]:
            depth[place] -= 1
        for place in edges[address][0]:
            depth[place] += 1
        for place in {*edges[address][0], *edges[address][1]}:
            if depth[place]:
                held.add(place)
            else:
                held.discard(place)
        if address <= LAST[version]:
            yield address, tuple(sorted(held))


cdef uint32_t lazy_slot(FilterScope scope, str name) except 0:
    scope.owned.append(name)
    return scope.registry.counter(name, lazy=True)


cdef TagSet *tag_set(FilterScope scope, list names, tuple places, dict made) except? NULL:
    # `made`: addresses of the sets so far. NULL: no names.
    cdef TagSet *tags
    if not places:
        return NULL
    if places in made:
        return <TagSet *><size_t>made[places]
    tags = <TagSet *>scope.room(sizeof(TagSet))
    chosen = list(dict.fromkeys([names[place] for place in places]))
    tags.text = keep(scope.arena, ",".join(chosen))
    tags.hits_len = len(chosen)
    tags.hits = <uint32_t *>scope.room(sizeof(uint32_t) * len(chosen))
    for i, name in enumerate(chosen):
        tags.hits[<int>i] = lazy_slot(scope, f"{scope.prefix}ip_tagging.{name}.hit")
    made[places] = <size_t>tags
    return tags


cdef int fill_table(FilterScope scope, object spec, int version, TagTable *out) except -1:
    cdef TagPiece *piece
    pieces = list(side_by_side(spec.tags, version))
    names = [name for name, _blocks in spec.tags]
    made = {}
    out.pieces = <TagPiece *>scope.room(sizeof(TagPiece) * len(pieces))
    out.len = len(pieces)
    for i, (first, places) in enumerate(pieces):
        raw = first.to_bytes(4 if version == 4 else 16, "big")
        piece = &out.pieces[<int>i]
        memcpy(piece.first, <const char *>raw, len(raw))
        piece.tags = tag_set(scope, names, places, made)
    return 0


cdef void *compile_ip_tagging(FilterScope scope, tuple specs) except NULL:
    cdef IpTaggingConf *conf = <IpTaggingConf *>scope.room(sizeof(IpTaggingConf))
    spec = nearest(specs)
    fill_table(scope, spec, 4, &conf.v4)
    fill_table(scope, spec, 6, &conf.v6)
    conf.request_type = REQUEST_TYPES[spec.request_type]
    scope.fraction(ALWAYS_TAGGING, &conf.enabled)
    conf.header = keep(scope.arena, spec.header)
    conf.appends = spec.append
    conf.stats[TAG_NO_HIT] = lazy_slot(scope, f"{scope.prefix}ip_tagging.no_hit")
    conf.stats[TAG_TOTAL] = lazy_slot(scope, f"{scope.prefix}ip_tagging.total")
    return conf


# --- json to metadata -----------------------------------------------------------------------------------------------------


cdef int fill_fact(FilterScope scope, object spec, JsonFact *out) except -1:
    cdef MetaValue *value
    if spec is None:
        return 0
    out.set = True
    out.keeps = spec.preserve
    out.type = JSON_TYPES[spec.type]
    out.namespace = keep(scope.arena, spec.namespace)
    out.key = keep(scope.arena, spec.key)
    if spec.fixed is not None:
        value = <MetaValue *>scope.room(sizeof(MetaValue))
        metadata_value(scope.arena, spec.fixed[0], value)
        out.value = value
    return 0


cdef int fill_json(FilterScope scope, object spec, str name, JsonRules *out) except -1:
    cdef JsonRule *rule
    scope.stats(f"json_to_metadata.{name}.", json_layout, JSON_STATS, out.stats)
    out.request = name == "rq"
    out.len = len(spec.rules)
    out.rules = <JsonRule *>scope.room(sizeof(JsonRule) * out.len)
    for i, one in enumerate(spec.rules):
        rule = &out.rules[<int>i]
        rule.path = keep_all(scope.arena, one.path)
        rule.path_len = len(one.path)
        fill_fact(scope, one.present, &rule.present)
        fill_fact(scope, one.missing, &rule.missing)
        fill_fact(scope, one.error, &rule.error)
    out.types = keep_all(scope.arena, spec.content_types)
    out.types_len = len(spec.content_types)
    out.without_type = spec.allow_empty_type
    if spec.content_types_regex is not None:
        out.types_regex = compile_regex(scope.arena, scope.regexes, spec.content_types_regex)
    return 0


cdef void *compile_json_to_metadata(FilterScope scope, tuple specs) except NULL:
    cdef JsonToMetadataConf *conf = <JsonToMetadataConf *>scope.room(sizeof(JsonToMetadataConf))
    spec = nearest(specs)
    fill_json(scope, spec.request, "rq", &conf.request)
    fill_json(scope, spec.response, "resp", &conf.response)
    return conf
