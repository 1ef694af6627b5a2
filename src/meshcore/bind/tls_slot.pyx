"""TLS slots of tables: filling, counting, replacing. See tls_slot.pxd for the law."""
from meshcore.bind import stat_names
from meshcore.bind.matchers cimport keep_lower, take
from meshcore.bind.sockets cimport compile_proxy_out
from meshcore.bind.stats cimport Group, Layout
from meshcore.conf.proxy_out cimport ProxyOut
from meshcore.conf.stat_ids cimport TLS_STATS
from meshcore.conf.tables cimport NameRule
from meshcore.conf.tls cimport tls_conf_unref, tls_slot_swap

cdef Layout layout = Layout(stat_names.members(stat_names.TLS, stat_names.TLS_LAZY))


cdef class OldContext:
    def __dealloc__(self):
        tls_conf_unref(self.conf)


cdef TlsConf *context_of(spec) except NULL:
    # A reference for the caller.
    from meshcore.bind import tls
    return <TlsConf *><size_t>tls.context_address(spec)


cdef uint32_t *tls_stats_of(Arena *arena, StatsRegistry registry, str prefix, list owned) except NULL:
    cdef uint32_t *stats = <uint32_t *>take(arena, TLS_STATS * sizeof(uint32_t))
    cdef Group group = registry.group(f"{prefix}ssl.", layout)
    cdef int i
    owned.append(f"{prefix}ssl.")
    for i in range(TLS_STATS):
        stats[i] = group.slot + layout.at[i]
    return stats


def name_expiries(StatsRegistry registry, str prefix, spec, list owned):
    """Gauges of when the certificates of a TLS context end. All that have no name share one."""
    from meshcore.bind import tls
    for name, until_s in tls.expiries(spec) if spec.ready else ():
        full = f"{prefix}ssl.certificate.{name}.expiration_unix_time_seconds"
        if full not in owned:
            registry.gauge(full)
            owned.append(full)
        registry.set_gauge(full, until_s)


cdef int tls_slot_fill(TlsSlot *slot, spec, StatsRegistry registry, str prefix, list owned) except -1:
    slot.conf = context_of(spec)
    if spec.secrets:
        side, way = ("server", "downstream") if spec.server else ("client", "upstream")
        name = f"{prefix}{side}_ssl_socket_factory.{way}_context_secrets_not_ready"
        slot.unready_stat = registry.counter(name)
        owned.append(name)
    name_expiries(registry, prefix, spec, owned)
    return 0


cdef TlsSlot *slot_of(ClusterConf *conf, spec, uint32_t *stats, StatsRegistry registry, str prefix, list owned) except NULL:
    cdef TlsSlot *slot = <TlsSlot *>take(&conf.arena, sizeof(TlsSlot))
    slot.stats = stats
    tls_slot_fill(slot, spec, registry, prefix, owned)
    return slot


cdef int cluster_tls_fill(ClusterConf *conf, spec, StatsRegistry registry, str prefix, list owned) except -1:
    cdef uint32_t *stats = NULL
    cdef NameRule *names
    for name in ("default", *(one.name for one in spec.socket_matches)) if spec.socket_matches else ():
        registry.counter(f"{prefix}{name}.total_match_count")
        owned.append(f"{prefix}{name}.total_match_count")
    if not spec.tls_contexts and not spec.socket_matches:
        return 0
    stats = tls_stats_of(&conf.arena, registry, prefix, owned)
    if spec.tls is not None:
        conf.tls = slot_of(conf, spec.tls, stats, registry, prefix, owned)
    conf.sockets = <TlsSlot **>take(&conf.arena, len(spec.socket_matches) * sizeof(TlsSlot *))
    conf.socket_says = <const ProxyOut **>take(&conf.arena, len(spec.socket_matches) * sizeof(ProxyOut *))
    for i, one in enumerate(spec.socket_matches):
        if one.tls is not None:
            conf.sockets[<int>i] = slot_of(conf, one.tls, stats, registry, prefix, owned)
        if one.proxy_out is not None:
            conf.socket_says[<int>i] = compile_proxy_out(&conf.arena, one.proxy_out)
        conf.sockets_len = i + 1
    if spec.auto_sni or spec.auto_san_validation:
        names = <NameRule *>take(&conf.arena, sizeof(NameRule))
        names.ask = spec.auto_sni
        names.check = spec.auto_san_validation
        names.header = keep_lower(&conf.arena, spec.auto_sni_header)
        conf.names = names
    return 0


cdef OldContext tls_slot_replace(TlsSlot *slot, spec, StatsRegistry registry, str prefix, list owned):
    cdef OldContext old = OldContext()
    old.conf = tls_slot_swap(slot, context_of(spec))
    name_expiries(registry, prefix, spec, owned)
    return old
