"""Builds picohttpparser as a cffi API-mode module, from the C sources inside the pinned build dependency `pypicohp`.

There is one copy of the parser in the process: the Cython codec takes its function addresses from this module. The copy holds two
variants, plain and SSE 4.2 (picohttp_sse42.c); the codec picks one when it is imported. Both source files must have the SHA-256
that was reviewed, so a changed package cannot slip in.
"""

import hashlib
import importlib.util
import pathlib

from cffi import FFI

HERE = pathlib.Path("src/meshcore/_native")
SHA256 = {
    "picohttpparser.c": "926f3c009724e94e7cbe26e00148a2010942832952cd9c18e6973692b30b9fa6",
    "picohttpparser.h": "ac284ab81de872aa4354b6039f6ac02b771c176948bb83295fc8bd67b5fec183",
}

HEADER = """
struct phr_header { const char *name; size_t name_len; const char *value; size_t value_len; };
"""
FUNCTIONS = """
int PREFIX_parse_request(const char *buf, size_t len, const char **method, size_t *method_len, const char **path,
                         size_t *path_len, int *minor_version, struct phr_header *headers, size_t *num_headers,
                         size_t last_len);
int PREFIX_parse_response(const char *buf, size_t len, int *minor_version, int *status, const char **msg, size_t *msg_len,
                          struct phr_header *headers, size_t *num_headers, size_t last_len);
int PREFIX_parse_headers(const char *buf, size_t len, struct phr_header *headers, size_t *num_headers, size_t last_len);
"""
USABLE = "int sse42_usable(void);\n"


def sources() -> pathlib.Path:
    """The folder with picohttpparser.c and .h, checked; exits with a clear message otherwise."""
    spec = importlib.util.find_spec("pypicohp")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("error: the build dependency pypicohp is missing (pip install pypicohp==0.1.3)")
    folder = pathlib.Path(spec.submodule_search_locations[0])
    for name, expected in SHA256.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != expected:
            raise SystemExit(f"error: {name} of pypicohp has SHA-256 {found}, expected {expected}")
    return folder


plain = FUNCTIONS.replace("PREFIX", "phr")
sse42 = FUNCTIONS.replace("PREFIX", "sse42")
builder = FFI()
builder.cdef(HEADER + plain + sse42 + USABLE)
builder.set_source(
    "meshcore._native._picohttp",
    # On other machines the second variant is the first by another name, so the module always has both.
    f"""
#include "picohttpparser.c"
#if !defined(__x86_64__)
#define sse42_parse_request phr_parse_request
#define sse42_parse_response phr_parse_response
#define sse42_parse_headers phr_parse_headers
#else
{sse42}
#endif
{USABLE}
""",
    sources=[str(HERE / "picohttp_sse42.c")],
    include_dirs=[str(sources())],
    extra_compile_args=["-O3"],
)
