"""Settings of a TCP proxy; see tcp.pxd."""
from meshcore.base.arena cimport Arena
from meshcore.bind.format cimport compile_text
from meshcore.bind.routes cimport compile_mutation
from meshcore.bind.matchers cimport keep, take
from meshcore.conf.tunnel cimport TunnelConf


cdef const TunnelConf *compile_tunnel(Arena *arena, object spec) except? NULL:
    cdef TunnelConf *conf
    if spec is None:
        return NULL
    conf = <TunnelConf *>take(arena, sizeof(TunnelConf))
    conf.host = compile_text(arena, spec.hostname, False)
    conf.post = spec.use_post
    conf.path = keep(arena, spec.post_path)
    conf.mutation = compile_mutation(arena, spec.headers)
    return conf
