# Operator: one step of a compiled format, and the value it gives for one Record.
#
# A step is a literal or one %OPERATOR%. Most operators are a plain read of one field of the Record, so they share a kind and differ
# in `offset`; the table of names in catalog.pyx says which. Immutable once compiled; read by all workers.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.observe.record cimport Record

cdef enum OperatorKind:
    OP_LITERAL                     # `text`, copied as it is (escaped at load when the format is JSON)
    OP_NUMBER64                    # uint64_t at `offset`
    OP_NUMBER32
    OP_NUMBER16
    OP_SPAN                        # Span at `offset`; empty = missing
    OP_SPAN_OR_EMPTY               # Span at `offset`; empty = an empty text
    OP_SPAN_HOST                   # Span at `offset`: a name that a stranger said, with "invalid:" before one that is no host's; empty = missing
    OP_SPAN_UNDERSCORED            # Span at `offset` with white space written as "_"; empty = missing
    OP_ADDRESS                     # IpAddress pointer at `offset` (when NULL and `until` is set: at that); `part` an AddressPart
    OP_DURATION                    # from the uint64_t at `offset` to the one at `until`, in units of `unit` nanoseconds
    OP_TIME                        # wall clock: of the stream's start, or now (`now`); `text` is the pattern, empty = default
    OP_HEADER                      # `head` says of which head, `id`/`text` which header, `other_id`/`other` the alternative
    OP_HEADER_BYTES                # size of all names and values of a head
    OP_PATH                        # `part` a PathPart, `source` a PathSource
    OP_QUERY                       # the whole query; `part` 1: its escapes decoded
    OP_QUERY_PARAM                 # the value of parameter `text`
    OP_PROTOCOL
    OP_UPSTREAM_PROTOCOL
    OP_FLAGS
    OP_FLAGS_LONG
    OP_GRPC_STATUS                 # `part` a GrpcPart
    OP_LOG_TYPE
    OP_ATTEMPTS                    # `part` an AttemptPart
    OP_HOST_NAME                   # of the upstream host; `part` 1: without its port
    OP_CLOSE_TYPE
    OP_UPSTREAM_CLOSE_TYPE
    OP_ZERO                        # the number 0
    OP_EMPTY                       # an empty text
    OP_UNIQUE_ID                   # a new random UUID at every use
    OP_TLS                         # `part` a TlsFactKind of the TlsFacts at `offset`
    OP_TLS_TIME                    # validity of the peer's certificate: as OP_TLS and OP_TIME; `part` 1: its end
    OP_XFCC                        # element `text` of x-forwarded-client-cert
    OP_COALESCE                    # the first of `operators` that has a value
    OP_METADATA                    # namespace `text`, then `path`; `part` a MetadataOwner
    OP_FILTER_STATE                # the object `text`; `part` 1: as JSON, 2: its field `path`
    OP_ABSENT                      # legal, and never has a value on a plain connection
    # Structure of a JSON format that leaves missing values out, so that its commas are decided while writing.
    OP_OPEN                        # `part` is the bracket
    OP_KEY                         # the beginning of a member; `text` is its name with the colon, empty in a list
    OP_CLOSE                       # `part` is the bracket

cdef enum AddressPart:
    ADDRESS_WHOLE
    ADDRESS_HOST
    ADDRESS_PORT
    ADDRESS_MASKED                 # the network of `prefix` bits, as CIDR

cdef enum HeadSource:
    HEAD_REQUEST
    HEAD_RESPONSE
    HEAD_TRAILERS

cdef enum PseudoHeader:
    # Beside KnownHeader in `id`: what a Head keeps outside its list.
    PSEUDO_METHOD = 200
    PSEUDO_PATH
    PSEUDO_AUTHORITY
    PSEUDO_SCHEME
    PSEUDO_PROTOCOL
    PSEUDO_STATUS
    PSEUDO_NONE                    # no alternative header

cdef enum PathSource:
    PATH_ORIGINAL_OR_NOW
    PATH_ORIGINAL
    PATH_NOW

cdef enum GrpcPart:
    GRPC_CAMEL
    GRPC_SNAKE
    GRPC_NUMBER

cdef enum AttemptPart:
    ATTEMPT_ADDRESS
    ATTEMPT_HOST
    ATTEMPT_NAME
    ATTEMPT_NAME_WITHOUT_PORT
    ATTEMPT_CONNECTION_ID

cdef enum MetadataOwner:
    METADATA_DYNAMIC
    METADATA_ROUTE
    METADATA_VIRTUAL_HOST
    METADATA_CLUSTER
    METADATA_UPSTREAM_HOST
    METADATA_LISTENER
    METADATA_FILTER_CHAIN

cdef enum OperatorForm:
    # How the value of an operator enters the output.
    FORM_TEXT                      # as it is; "-" (or nothing) when missing
    FORM_TOKEN                     # alone in a JSON value: number, quoted string or null
    FORM_PART                      # inside a JSON string: escaped; "-" (or nothing) when missing

cdef struct Operator:
    uint8_t kind                   # OperatorKind
    uint8_t form                   # OperatorForm
    uint8_t head                   # HeadSource
    uint8_t id                     # KnownHeader or PseudoHeader
    uint8_t other_id
    uint8_t part                   # see the kind
    uint8_t source                 # PathSource
    uint8_t prefix                 # bits of a masked IPv4 or IPv6 address
    bint connected                 # has a value only when a connection upstream was made
    bint now
    bint local                     # local time zone instead of UTC
    bint limited                   # `limit` is set
    uint16_t offset                # of the field in Record
    uint16_t until
    uint16_t choices_len
    uint32_t limit                 # most bytes of the value
    uint32_t unit
    Span text
    Span other
    Operator *choices
    const Span *path               # keys of a metadata value
    uint16_t path_len

cdef enum ValueKind:
    VALUE_MISSING
    VALUE_TEXT
    VALUE_NUMBER
    VALUE_JSON                     # `text` is a JSON value

cdef struct Value:
    uint8_t kind                   # ValueKind
    int64_t number
    Span text                      # in the record, the format, or the scratch that was passed in

cdef enum:
    SCRATCH = 4096                 # room for a value that has to be composed; longer ones are cut
