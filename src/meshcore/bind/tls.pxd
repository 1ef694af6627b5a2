# Compiles TLS contexts of a plan (tls_spec.TlsContext). Main thread, with the GIL.
from meshcore.conf.tls cimport TlsConf

cdef TlsConf *tls_context_of(object spec) except NULL                     # a reference for the caller
