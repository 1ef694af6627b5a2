/* The second compilation of picohttpparser, with SSE 4.2 and under other names; see picohttp_build.py. */
#if defined(__x86_64__)
#pragma GCC target("sse4.2")
#define phr_parse_request sse42_parse_request
#define phr_parse_response sse42_parse_response
#define phr_parse_headers sse42_parse_headers
#define phr_decode_chunked sse42_decode_chunked
#define phr_decode_chunked_is_in_data sse42_decode_chunked_is_in_data
#include "picohttpparser.c"
int sse42_usable(void) { return __builtin_cpu_supports("sse4.2"); }
#else
#include "picohttpparser.h"
int sse42_usable(void) { return 0; }
#endif
