"""FilterScope; see filter_scope.pxd for the law."""
from meshcore.bind.matchers cimport take


cdef class FilterScope:
    cdef void *room(self, size_t n) except NULL:
        return take(self.arena, n)

    cdef int fraction(self, object spec, RuntimeFraction *out) except -1:
        return self.registry.runtime.fill(spec, out)

    cdef RuntimeCell *cell(self, str key) except? NULL:
        return self.registry.runtime.cell(key)

    cdef Group stats(self, str prefix, Layout layout, int n, uint32_t *slots):
        cdef Group group = self.registry.group(prefix, layout)
        cdef int i
        self.owned.append(prefix)
        for i in range(n):
            slots[i] = group.slot + layout.at[i]
        return group

    cdef uint32_t cluster(self, str name) except? 0xffffffff:
        return self.cluster_index.setdefault(name, len(self.cluster_index))
