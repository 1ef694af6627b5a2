"""Divides the hosts of a cluster by their envoy.lb metadata, and makes a host set of each part (cluster/subset.pxd).

Main thread, with the GIL; called by cluster_hosts.pyx for every new set of a cluster with subset selectors. A subset keeps the order of the
hosts and the localities of the whole, some of them empty.
"""
import json

from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from meshcore.base.span cimport Span, span
from meshcore.bind.load_balancer import canonical_value
from meshcore.cluster.balancer cimport balancer_prepare
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport Group, host_set_new
from meshcore.cluster.subset cimport Subsets, subsets_add, subsets_free, subsets_new
from meshcore.route.criteria cimport Criterion, criterion_hash


# --- which host is in which part ------------------------------------------------------------------------------------


def facts_of(endpoint):
    """envoy.lb of an endpoint's metadata."""
    return json.loads(endpoint.metadata).get("envoy.lb", {}) if endpoint.metadata else {}


def keys_of(selector, facts, list_as_any):
    """What a host is filed under for one selector: [((key, value)...)], empty when it lacks a key."""
    found = [()]
    for key in selector.keys:
        if key not in facts:
            return []
        value = facts[key]
        values = value if list_as_any and isinstance(value, list) else [value]
        found = [(*pairs, (key, canonical_value(one))) for pairs in found for one in values]
    return found


def divide(spec, endpoints):
    """{pairs: ([positions of hosts], one host is enough)}, and how many hosts more than one such a part was offered."""
    parts = {}
    collisions = 0
    for i, endpoint in enumerate(endpoints):
        facts = facts_of(endpoint)
        for selector in spec.selectors:
            for pairs in keys_of(selector, facts, spec.list_as_any):
                members, single = parts.setdefault(pairs, ([], selector.single_host_per_subset))
                if single and any(endpoints[at].priority == endpoint.priority for at in members):
                    collisions += 1
                elif not members or members[len(members) - 1] != i:
                    members.append(i)
    return parts, collisions


def in_default(spec, endpoint):
    """Whether a host belongs to the default subset."""
    facts = facts_of(endpoint)
    for key, value in json.loads(spec.default_subset).items():
        if key not in facts:
            return False
        wanted, own = canonical_value(value), facts[key]
        values = own if spec.list_as_any and isinstance(own, list) else [own]
        if wanted not in map(canonical_value, values):
            return False
    return True


def fallbacks(spec):
    """The fallback policies that the cluster or one of its selectors names."""
    return {spec.fallback, *(selector.fallback for selector in spec.selectors)}


# --- parts as host sets ---------------------------------------------------------------------------------------------


cdef class Parts:
    """What all subsets of one build share."""

    cdef const Member *members
    cdef const Shape *shape
    cdef const LbConf *lb
    cdef const HostSet *local
    cdef object spec
    cdef uint32_t next_id
    cdef list group_sizes          # hosts of each group of the whole set

    cdef HostSet *make(self, list positions) except NULL:
        cdef uint32_t n = <uint32_t>len(positions)
        cdef Member *members = <Member *>calloc(n + 1, sizeof(Member))
        cdef Group *groups = <Group *>calloc(self.shape.groups_len + 1, sizeof(Group))
        cdef Shape shape = self.shape[0]
        cdef HostSet *made = NULL
        cdef bint ready
        cdef uint32_t i
        try:
            if members == NULL or groups == NULL:
                raise MemoryError
            sizes = [0] * self.shape.groups_len
            for i, at in enumerate(positions):
                members[i] = self.members[<uint32_t>at]
                sizes[members[i].group] += 1
            for i in range(self.shape.groups_len):
                groups[i] = self.shape.groups[i]
                groups[i].weight = self.weight_of(i, sizes)
            shape.groups = groups
            shape.plain = not self.spec.locality_weight_aware
            with nogil:
                made = host_set_new(members, n, &shape, self.next_id)
                ready = made != NULL and balancer_prepare(made, self.lb, self.local)
            if not ready:
                raise MemoryError
            self.next_id = made.lists_len
        finally:
            free(members)
            free(groups)
        return made

    cdef uint32_t weight_of(self, uint32_t group, list sizes):
        cdef uint32_t weight = self.shape.groups[group].weight
        if not self.spec.locality_weight_aware:
            return 0
        if not self.spec.scale_locality_weight or self.group_sizes[group] == 0:
            return weight
        return <uint32_t>(weight * sizes[group] / self.group_sizes[group] + 0.5)


cdef Criterion *pairs_new(object pairs) except NULL:
    # One block: the pairs, then their texts.
    texts = [(key.encode(), value.encode()) for key, value in pairs]
    cdef size_t room = sum(len(key) + len(value) for key, value in texts)
    cdef Criterion *out = <Criterion *>calloc(1, len(texts) * sizeof(Criterion) + room)
    cdef char *at
    cdef uint32_t i
    if out == NULL:
        raise MemoryError
    at = <char *>(out + len(texts))
    for i, (key, value) in enumerate(texts):
        out[i].key = place(&at, key)
        out[i].value = place(&at, value)
        out[i].hash = criterion_hash(out[i].key, out[i].value)
    return out


cdef Span place(char **at, bytes text):
    cdef Span copy = span(at[0], len(text))
    memcpy(at[0], <const char *>text, len(text))
    at[0] += len(text)
    return copy


cdef object subsets_attach(HostSet *hosts, const Member *members, const Shape *shape, const LbConf *lb, const HostSet *local,
                           object spec, object endpoints):
    cdef Parts parts = Parts()
    cdef Subsets *subsets
    cdef HostSet *made
    cdef Host *single
    divided, collisions = divide(spec, endpoints)
    parts.members = members
    parts.shape = shape
    parts.lb = lb
    parts.local = local
    parts.spec = spec
    parts.next_id = hosts.lists_len
    parts.group_sizes = [0] * shape.groups_len
    for i in range(len(endpoints)):
        parts.group_sizes[members[<uint32_t>i].group] += 1
    subsets = subsets_new(<uint32_t>len(divided))
    if subsets == NULL:
        raise MemoryError
    hosts.subsets = subsets
    hosts.free_subsets = subsets_free
    named = fallbacks(spec)
    if "any_endpoint" in named or spec.panic_mode_any:
        subsets.any = parts.make(list(range(len(endpoints))))
    if "default_subset" in named:
        subsets.fallback = parts.make([i for i, endpoint in enumerate(endpoints) if in_default(spec, endpoint)])
    for pairs, (positions, single_host) in divided.items():
        made = parts.make(positions)
        first = min(positions, key=lambda at: endpoints[at].priority)
        single = members[<uint32_t>first].host if single_host else NULL
        subsets_add(subsets, pairs_new(pairs), <uint32_t>len(pairs), made, single)
    hosts.lists_len = parts.next_id
    return set(divided), collisions
