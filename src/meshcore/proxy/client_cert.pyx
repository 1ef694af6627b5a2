"""x-forwarded-client-cert, by forward_client_cert_details and set_current_client_cert_details as Envoy reads them.

Without a client certificate on this connection nothing of the header may pass, unless the configuration trusts everybody.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport *
from meshcore.conf.tables cimport *
from meshcore.observe.tls_facts cimport *
from meshcore.proxy.objects cimport *

cdef enum Shape:
    PLAIN
    QUOTED
    EACH_NAME                      # an element for each name of a list

cdef struct Element:
    Span name
    int fact
    uint32_t asked                 # bit of HcmConf.cert_details; 0: always
    uint8_t shape                  # Shape
    bint empty_too                 # stands there without a value

cdef Element[7] elements
elements[0] = Element(span(b"By=", 3), FACT_LOCAL_URI_NAMES, 0, EACH_NAME, False)
elements[1] = Element(span(b"Hash=", 5), FACT_SHA256, 0, PLAIN, False)
elements[2] = Element(span(b"Cert=", 5), FACT_CERT, CERT_WHOLE, QUOTED, False)
elements[3] = Element(span(b"Chain=", 6), FACT_CHAIN, CERT_CHAIN, QUOTED, False)
elements[4] = Element(span(b"Subject=", 8), FACT_SUBJECT, CERT_SUBJECT, QUOTED, True)
elements[5] = Element(span(b"URI=", 4), FACT_URI_NAMES, CERT_URI, EACH_NAME, True)
elements[6] = Element(span(b"DNS=", 4), FACT_DNS_NAMES, CERT_DNS, EACH_NAME, False)


cdef inline char *put(char *out, Span text) noexcept nogil:
    if text.len > 0:
        memcpy(out, text.at, text.len)
    return out + text.len


cdef char *put_one(char *out, const Element *element, Span text) noexcept nogil:
    out = put(put(out, element.name), text)
    out[0] = b';'
    return out + 1


cdef char *put_element(char *out, const Element *element, Span text) noexcept nogil:
    if element.shape == QUOTED:
        out = put(out, element.name)
        out[0] = b'"'
        out = put(out + 1, text)
        out[0] = b'"'
        out[1] = b';'
        return out + 2
    if element.shape == PLAIN or text.len == 0:
        return put_one(out, element, text)
    while text.len > 0:
        out = put_one(out, element, tls_next_name(&text))
    return out


cdef size_t room_for(const Element *element, Span text) noexcept nogil:
    cdef size_t names = 1
    cdef uint32_t i
    if element.shape == EACH_NAME:
        for i in range(text.len):
            names += text.at[i] == NAME_END
    return text.len + names * (element.name.len + 3)


cdef Span describe(Stream *stream, TlsFacts *facts) noexcept nogil:
    cdef Span[7] texts
    cdef bint[7] wanted
    cdef size_t room = 0
    cdef char *start
    cdef char *at
    cdef int i
    for i in range(7):
        texts[i] = tls_fact(facts, elements[i].fact)
        wanted[i] = (elements[i].asked == 0 or stream.hcm.cert_details & elements[i].asked) and (texts[i].len > 0 or elements[i].empty_too)
        if wanted[i]:
            room += room_for(&elements[i], texts[i])
    start = at = <char *>arena_take(&stream.arena, room + 1)
    if start == NULL:
        return span(NULL, 0)
    for i in range(7):
        if wanted[i]:
            at = put_element(at, &elements[i], texts[i])
    return span(start, at - start - 1 if at > start else 0)


cdef void client_cert_forward(Stream *stream) noexcept nogil:
    cdef Head *head = &stream.request
    cdef TlsFacts *facts = stream.record.downstream_tls
    cdef uint8_t mode = stream.hcm.forward_cert
    if mode == FORWARD_ALWAYS:
        return
    if mode == FORWARD_SANITIZE or facts == NULL or not facts.presented:
        head_drop(head, H_X_FORWARDED_CLIENT_CERT)
    elif mode == FORWARD_APPEND:
        head_append_value(head, H_X_FORWARDED_CLIENT_CERT, describe(stream, facts))
    elif mode == FORWARD_SANITIZE_SET:
        head_set(head, H_X_FORWARDED_CLIENT_CERT, describe(stream, facts))
