// The only C++ of the engine: RE2 behind regex_re2.h. See there for the law.
#include "regex_re2.h"

#include <re2/re2.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

namespace {

void say(char *error, size_t cap, const std::string &text) {
    if (cap == 0) return;
    size_t n = text.size() < cap - 1 ? text.size() : cap - 1;
    std::memcpy(error, text.data(), n);
    error[n] = '\0';
}

const RE2 &pattern_of(const void *native) { return *static_cast<const RE2 *>(native); }

}  // namespace

extern "C" void *regex_native_new(const char *pattern, size_t len, char *error, size_t cap) {
    try {
        RE2 *compiled = new RE2(re2::StringPiece(pattern, len), RE2::Quiet);
        if (compiled->ok()) return compiled;
        say(error, cap, compiled->error());
        delete compiled;
    } catch (const std::bad_alloc &) {
        say(error, cap, "out of memory");
    }
    return nullptr;
}

extern "C" void regex_native_free(void *native) { delete static_cast<RE2 *>(native); }

extern "C" int regex_native_full(const void *native, const char *text, size_t len) {
    try {
        return pattern_of(native).Match(re2::StringPiece(text, len), 0, len, RE2::ANCHOR_BOTH, nullptr, 0);
    } catch (const std::bad_alloc &) {
        return 0;
    }
}

extern "C" int regex_native_replace(const void *native, const char *text, size_t len, const char *with, size_t with_len,
                                    char **out, size_t *out_len) {
    *out = nullptr;
    *out_len = 0;
    try {
        std::string result(text, len);
        if (RE2::GlobalReplace(&result, pattern_of(native), re2::StringPiece(with, with_len)) == 0) return 1;
        *out = static_cast<char *>(std::malloc(result.size() + 1));
        if (*out == nullptr) return 0;
        std::memcpy(*out, result.data(), result.size());
        *out_len = result.size();
        return 1;
    } catch (const std::bad_alloc &) {
        return 0;
    }
}

extern "C" int regex_native_accepts(const void *native, const char *with, size_t with_len, char *error, size_t cap) {
    try {
        std::string reason;
        if (pattern_of(native).CheckRewriteString(re2::StringPiece(with, with_len), &reason)) return 1;
        say(error, cap, reason);
    } catch (const std::bad_alloc &) {
        say(error, cap, "out of memory");
    }
    return 0;
}
