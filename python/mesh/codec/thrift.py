"""Thrift as the proxy speaks it: the engine's own codec, without sockets and without a service definition.

    >>> from mesh.codec import thrift
    >>> call = thrift.Message("add", "call", 7, {1: (thrift.Type.I32, 2), 2: (thrift.Type.I32, 3)})
    >>> raw = thrift.encode(call, transport="framed", protocol="compact")
    >>> thrift.decode(raw).fields[2]
    (<Type.I32: 8>, 3)
    >>> thrift.decode(raw, plain=True).fields
    {1: 2, 2: 3}

Shapes of values, which the wire knows by type and not by name:

    bool, byte, i16, i32, i64, double    bool, int and float
    string, uuid                         bytes (16 of them for a UUID); encoding takes str for a string, too
    struct                               {field id: (Type, value)}, in the order of the wire
    list, set                            (Type of the elements, [value, ...])
    map                                  (Type of the keys, Type of the values, [(key, value), ...]); encoding takes a dict, too

With `plain=True` the types are left out: struct {field id: value}, list and set [value, ...], map {key: value} (a list of pairs when
the keys are structs or containers). An empty map of the compact protocol does not tell its types: they are 0.

`Decoder` takes a stream in any pieces; `decode` takes one message, `decode_struct` and `skip_struct` one struct without an envelope;
`encode` and `encode_struct` are their mirrors. `convert_struct` goes from one protocol to another, `rewrite` changes name, sequence id,
transport or protocol of a message; both without building values. `exception` is the answer that a client raises as
TApplicationException, `reply_kind` tells success from error by the first bytes of a reply. Transports: "framed", "unframed", "header"
(with ZLIB). Protocols: "binary", "binary/non-strict", "compact", "twitter".

Every limit is Envoy's or that of Apache's libraries unless another is given; what breaks one, or the format, raises DecodeError with one
of ERRORS. ValueError is for wrong arguments. Nothing blocks; a Decoder is for one thread at a time.
"""

from meshcore.bind.thrift import Decoder, decode, encode, exception, reply_kind, rewrite
from meshcore.bind.thrift_shapes import DecodeError, Message, Struct, Trace, Type
from meshcore.bind.thrift_values import ERRORS, convert_struct, decode_struct, encode_struct, skip_struct

__all__ = [
    "ERRORS",
    "DecodeError",
    "Decoder",
    "Message",
    "Struct",
    "Trace",
    "Type",
    "convert_struct",
    "decode",
    "decode_struct",
    "encode",
    "encode_struct",
    "exception",
    "reply_kind",
    "rewrite",
    "skip_struct",
]
