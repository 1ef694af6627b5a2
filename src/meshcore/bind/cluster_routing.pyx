"""What a cluster says of the requests that come to it; see cluster_routing.pxd for the law."""
from meshcore.bind.load_balancer cimport compile_hash_policy
from meshcore.bind.resilience cimport compile_mirrors, compile_retry


cdef int resolve_mirrors(MirrorPolicy *mirrors, uint32_t n, dict cluster_index) except -1:
    cdef uint32_t i
    for i in range(n):
        if mirrors[i].cluster.len:
            name = mirrors[i].cluster.at[:mirrors[i].cluster.len].decode()
            mirrors[i].index = cluster_index.setdefault(name, len(cluster_index))
    return 0


cdef int fill_routing(ClusterConf *conf, object spec, RuntimeCells cells, dict cluster_index) except -1:
    conf.retry = compile_retry(&conf.arena, &conf.regexes, spec.retry)
    conf.hash = compile_hash_policy(&conf.arena, &conf.regexes, spec.hash_policy)
    conf.mirrors = compile_mirrors(&conf.arena, spec.mirrors, cells)
    conf.mirrors_len = len(spec.mirrors)
    resolve_mirrors(conf.mirrors, conf.mirrors_len, cluster_index)
    conf.drop_share = spec.drop_share
    conf.drop_most = cells.cell("load_balancing_policy.drop_overload_limit")
    conf.own_pools = spec.pool_per_connection
    conf.drains_on_change = spec.drains_on_change
    conf.cuts_on_failure = spec.cuts_on_failure
    return 0
