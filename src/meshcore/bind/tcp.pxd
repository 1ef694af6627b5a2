# Settings of a TCP proxy that have a struct of their own. Main thread, with the GIL.
from meshcore.base.arena cimport Arena
from meshcore.conf.tunnel cimport TunnelConf

cdef const TunnelConf *compile_tunnel(Arena *arena, object spec) except? NULL         # spec.TcpTunnel, or None
