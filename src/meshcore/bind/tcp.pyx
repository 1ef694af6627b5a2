"""Settings of a TCP proxy; see tcp.pxd."""
from meshcore.base.arena cimport Arena
from meshcore.bind.format cimport compile_text
from meshcore.bind.routes cimport compile_mutation
from meshcore.bind.matchers cimport keep, keep_lower, take
from meshcore.conf.tunnel cimport TunnelConf
from meshcore.conf.tunnel_facts cimport TunnelFacts


cdef const TunnelConf *compile_tunnel(Arena *arena, object spec) except? NULL:
    cdef TunnelFacts *facts
    cdef TunnelConf *conf
    if spec is None:
        return NULL
    facts = <TunnelFacts *>take(arena, sizeof(TunnelFacts))
    facts.header = keep_lower(arena, spec.id_header)
    facts.key = keep(arena, spec.id_key)
    facts.keeps_headers = spec.keeps_headers
    facts.keeps_trailers = spec.keeps_trailers
    conf = &facts.base
    conf.host = compile_text(arena, spec.hostname, False)
    conf.post = spec.use_post
    conf.path = keep(arena, spec.post_path)
    conf.mutation = compile_mutation(arena, spec.headers)
    return conf
