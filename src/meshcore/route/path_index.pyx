"""Path index: the walk. The build is in path_build.pyx; see path_index.pxd for the law.

Hot: one call per request and letter-case rule, no memory, no writes. Cost grows with the length of the path, at most, and with the
depth of the trie, never with the number of routes.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp

from meshcore.base.span cimport lower


cdef inline const PathNode *child_for(const PathNode *node, uint8_t first) noexcept nogil:
    cdef uint16_t i
    if node.wide != NULL:
        i = node.wide[first]
        return &node.children[i - 1] if i != 0 else NULL
    for i in range(node.children_len):
        if node.firsts[i] == first:
            return &node.children[i]
    return NULL


cdef inline bint same_lower(const char *lower_text, const char *text, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if lower(text[i]) != lower_text[i]:
            return False
    return True


cdef PathHit path_index_find(const PathIndex *index, Span path) noexcept nogil:
    cdef PathHit hit
    cdef const PathNode *node = index.root
    cdef const PathNode *child
    cdef const char *at = path.at
    cdef const char *end = path.at + path.len
    cdef uint32_t n
    while at < end:
        child = child_for(node, <uint8_t>(lower(at[0]) if index.ignore_case else at[0]))
        if child == NULL:
            break
        n = child.label.len
        if <size_t>(end - at) < n:
            break
        if index.ignore_case:
            if not same_lower(child.label.at, at, n):
                break
        elif n > 1 and memcmp(child.label.at + 1, at + 1, n - 1) != 0:
            break                      # child_for has seen the first byte
        node = child
        at += n
    hit.node = node
    hit.exact = at == end
    return hit
