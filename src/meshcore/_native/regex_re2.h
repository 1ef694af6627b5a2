/* C face of RE2: linear-time regular expressions, full match and replace, no exception crosses this line.
 *
 * Owns nothing but the compiled pattern it hands out. Called by route/regex.pyx only: regex_native_new/free on the main thread,
 * the others on any thread at once (a compiled pattern is immutable for its users). */
#ifndef MESH_REGEX_RE2_H
#define MESH_REGEX_RE2_H
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NULL on failure; `error` (cap bytes, always terminated) then says why. */
void *regex_native_new(const char *pattern, size_t len, char *error, size_t cap);
void regex_native_free(void *native);
/* The whole text matches. */
int regex_native_full(const void *native, const char *text, size_t len);
/* Replaces all non-overlapping matches; \0 .. \9 in `with` stand for the match and its groups. *out is malloc'ed (free it), or NULL
 * when nothing matched. Returns 0 when memory ran out. */
int regex_native_replace(const void *native, const char *text, size_t len, const char *with, size_t with_len, char **out,
                         size_t *out_len);
/* `with` may stand as a replacement for this pattern; otherwise `error` says why not. */
int regex_native_accepts(const void *native, const char *with, size_t with_len, char *error, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
