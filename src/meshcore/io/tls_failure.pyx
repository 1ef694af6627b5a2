"""Failures in words. See tls_failure.pxd for the law.

Envoy prints the errors of its library, BoringSSL, with their numbers. Alerts (1000 and more) have the same numbers in both; for the others a
table says what BoringSSL calls the same thing.
"""
from libc.stdio cimport snprintf
from libc.stdlib cimport malloc
from libc.string cimport memcpy, strlen

from meshcore.conf.stat_ids cimport TLS_CONNECTION_ERROR, TLS_FAIL_NO_CERT
from meshcore.io.openssl cimport *
from meshcore.io.tls cimport Tls
from meshcore.io.tls_verify cimport FAULT_USAGE
from meshcore.observe.counters cimport stat_inc

cdef enum:
    TEXT_MAX = 2048
    LONGEST = 1024                 # of an error with what follows it
    BORING_SSL_LIB = 16 << 24


cdef const char *BAD_USAGE = b"|268435758:SSL routines:OPENSSL_internal:KEY_USAGE_BIT_INCORRECT"
cdef const char *REFUSED_HELLO = b"|268435610:SSL routines:OPENSSL_internal:HANDSHAKE_FAILURE_ON_CLIENT_HELLO"

cdef struct Word:
    int ours
    int theirs
    const char *name


cdef extern from "<openssl/sslerr.h>" nogil:
    int SSL_R_WRONG_VERSION_NUMBER, SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_NO_SHARED_CIPHER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST
    int SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, SSL_R_UNEXPECTED_MESSAGE, SSL_R_BAD_RECORD_TYPE
    int SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, SSL_R_NO_PROTOCOLS_AVAILABLE, SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_LENGTH_MISMATCH
    int SSL_R_BAD_PACKET_LENGTH, SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_DATA_LENGTH_TOO_LONG, SSL_R_DIGEST_CHECK_FAILED, SSL_R_BAD_SIGNATURE
    int SSL_R_NO_RENEGOTIATION, SSL_R_BAD_EXTENSION, SSL_R_NO_APPLICATION_PROTOCOL, SSL_R_NO_CERTIFICATE_SET, SSL_R_CALLBACK_FAILED
    int SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE

cdef Word[19] words
words[0] = Word(SSL_R_CERTIFICATE_VERIFY_FAILED, 125, b"CERTIFICATE_VERIFY_FAILED")
words[1] = Word(SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, 192, b"PEER_DID_NOT_RETURN_A_CERTIFICATE")
words[2] = Word(SSL_R_WRONG_VERSION_NUMBER, 247, b"WRONG_VERSION_NUMBER")
words[3] = Word(SSL_R_UNSUPPORTED_PROTOCOL, 240, b"UNSUPPORTED_PROTOCOL")
words[4] = Word(SSL_R_NO_SHARED_CIPHER, 187, b"NO_SHARED_CIPHER")
words[5] = Word(SSL_R_HTTP_REQUEST, 156, b"HTTP_REQUEST")
words[6] = Word(SSL_R_HTTPS_PROXY_REQUEST, 155, b"HTTPS_PROXY_REQUEST")
words[7] = Word(SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, 253, b"NO_COMMON_SIGNATURE_ALGORITHMS")
words[8] = Word(SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, 253, b"NO_COMMON_SIGNATURE_ALGORITHMS")
words[9] = Word(SSL_R_UNEXPECTED_MESSAGE, 223, b"UNEXPECTED_MESSAGE")
words[10] = Word(SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, 145, b"DECRYPTION_FAILED_OR_BAD_RECORD_MAC")
words[11] = Word(SSL_R_NO_SUITABLE_KEY_SHARE, 187, b"NO_SHARED_GROUP")
words[12] = Word(SSL_R_LENGTH_MISMATCH, 137, b"DECODE_ERROR")
words[13] = Word(SSL_R_BAD_PACKET_LENGTH, 137, b"DECODE_ERROR")
words[14] = Word(SSL_R_PACKET_LENGTH_TOO_LONG, 150, b"ENCRYPTED_LENGTH_TOO_LONG")
words[15] = Word(SSL_R_DIGEST_CHECK_FAILED, 144, b"DIGEST_CHECK_FAILED")
words[16] = Word(SSL_R_BAD_SIGNATURE, 123, b"BAD_SIGNATURE")
words[17] = Word(SSL_R_NO_RENEGOTIATION, 193, b"NO_RENEGOTIATION")
words[18] = Word(SSL_R_NO_APPLICATION_PROTOCOL, 307, b"NO_APPLICATION_PROTOCOL")


cdef size_t put_name(int reason, const char *name, char *out, size_t cap) noexcept nogil:
    # OpenSSL's words in capitals, joined as BoringSSL writes them.
    cdef size_t n
    cdef size_t i
    cdef char c
    if name == NULL:
        return <size_t>snprintf(out, cap, b"UNKNOWN_REASON_%d", reason)
    n = strlen(name)
    if n >= cap:
        n = cap - 1
    for i in range(n):
        c = name[i]
        out[i] = b'_' if c == b' ' else (c - 32 if c >= 97 and c <= 122 else c)
    out[n] = 0
    return n


cdef size_t put_error(unsigned long error, char *out, size_t cap) noexcept nogil:
    cdef int reason = ERR_GET_REASON(error)
    cdef int number = reason
    cdef char name[128]
    cdef int i
    put_name(reason, ERR_reason_error_string(error), name, sizeof(name))
    for i in range(19):
        if words[i].ours == reason:
            number = words[i].theirs
            put_name(reason, words[i].name, name, sizeof(name))
            break
    return <size_t>snprintf(out, cap, b"|%d:SSL routines:OPENSSL_internal:%s", BORING_SSL_LIB + number, name)


cdef size_t put_more(Tls *tls, int reason, char *out, size_t cap) noexcept nogil:
    # What the proxy knows beside the library's error.
    if reason == SSL_R_CERTIFICATE_VERIFY_FAILED and tls.verify_text != NULL:
        return <size_t>snprintf(out, cap, b":verify cert failed: %.600s", tls.verify_text)
    if reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE and not tls.server and SSL_get_pending_cipher(tls.ssl) == NULL:
        return <size_t>snprintf(out, cap, b"%s", REFUSED_HELLO)
    return 0


cdef void tls_failure_text(Tls *tls) noexcept nogil:
    cdef char text[TEXT_MAX]
    cdef size_t n = 0
    cdef bint counted = False
    cdef unsigned long error = ERR_get_error()
    if error == 0:
        return
    n = <size_t>snprintf(text, TEXT_MAX, b"TLS_error:")
    while error != 0:
        if ERR_GET_LIB(error) == ERR_LIB_SSL and ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            stat_inc(tls.stats, tls.slot.stats[TLS_FAIL_NO_CERT])
            counted = True
        elif ERR_GET_LIB(error) == ERR_LIB_SSL and ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED:
            counted = tls.verify_detail != FAULT_USAGE     # by io/tls_verify, for what it was
        if ERR_GET_LIB(error) == ERR_LIB_SSL and n < TEXT_MAX - LONGEST:
            if tls.verify_detail == FAULT_USAGE:
                n += <size_t>snprintf(text + n, TEXT_MAX - n, b"%s", BAD_USAGE)
            else:
                n += put_error(error, text + n, TEXT_MAX - n)
                n += put_more(tls, ERR_GET_REASON(error), text + n, TEXT_MAX - n)
        error = ERR_get_error()
    n += <size_t>snprintf(text + n, TEXT_MAX - n, b":TLS_error_end")
    if not counted:
        stat_inc(tls.stats, tls.slot.stats[TLS_CONNECTION_ERROR])
    if tls.failure == NULL:
        tls.failure = <char *>malloc(n + 1)
        if tls.failure != NULL:
            memcpy(tls.failure, text, n + 1)
