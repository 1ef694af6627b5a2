# JSON to metadata: leaves values of JSON bodies in a stream's dynamic metadata. Worker thread.
#
# A head whose content type is one of those asked for holds the message until its body is whole; then rules run in their order. A rule that
# does not find its value writes what it says of that; all rules do of a message without a body, and say another thing of one that is no JSON.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from meshcore.base.span cimport Span
from meshcore.filter.http cimport HttpFilterOps
from meshcore.observe.metadata cimport MetaValue
from meshcore.route.regex cimport Regex

cdef enum:                         # JsonStat: json_to_metadata.rq.* and json_to_metadata.resp.*
    JSON_SUCCESS
    JSON_OTHER_TYPE                # mismatched_content_type
    JSON_NO_BODY
    JSON_INVALID                   # invalid_json_body
    JSON_STATS

cdef enum JsonType:
    JSON_AS_VALUE
    JSON_AS_STRING
    JSON_AS_NUMBER

cdef struct JsonFact:
    # What is written when a value is there, when it is not, or when there is no JSON.
    bint set                       # False: nothing
    bint keeps                     # what is there already stays
    uint8_t type                   # JsonType
    Span namespace
    Span key
    const MetaValue *value         # NULL: that of the body

cdef struct JsonRule:
    Span *path                     # members, from the outermost in
    uint16_t path_len
    JsonFact present
    JsonFact missing
    JsonFact error

cdef struct JsonRules:
    bint request                   # what they write may change the route
    uint32_t stats[JSON_STATS]
    JsonRule *rules
    uint16_t len                   # 0: nothing is looked at
    Span *types                    # content types, whole values
    uint16_t types_len
    const Regex *types_regex       # NULL: none
    bint without_type              # a message without a content type is looked at

cdef struct JsonToMetadataConf:
    JsonRules request
    JsonRules response

cdef const HttpFilterOps *json_to_metadata_filter() noexcept nogil
