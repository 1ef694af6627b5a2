# Builds the subsets of a host set. Main thread, with the GIL.
from libc.stdint cimport uint32_t

from meshcore.cluster.balancer cimport LbConf
from meshcore.cluster.host_set cimport HostSet, Member, Shape

# Subsets of `hosts`, which was made of these members; `endpoints` are theirs (spec.Endpoint). Returns the keys of what was made.
cdef object subsets_attach(HostSet *hosts, const Member *members, const Shape *shape, const LbConf *lb, const HostSet *local,
                           object spec, object endpoints)
