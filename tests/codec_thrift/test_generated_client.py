"""A client that Apache's compiler generated, against answers that our codec wrote: results, declared exceptions, and ours."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
from thrift.protocol.TMultiplexedProtocol import TMultiplexedProtocol
from thrift.Thrift import TApplicationException
from thrift.transport.TTransport import TTransportBase

from mesh.codec import thrift
from mesh.codec.thrift import Decoder, Message, Type
from tests.codec_thrift.apache import protocol_over
from tests.codec_thrift.generated import generate
from tests.codec_thrift.shapes import PAIRS

pytestmark = pytest.mark.parametrize(("transport", "protocol"), PAIRS)
PERSON = {
    1: (Type.I64, 1 << 40),
    2: (Type.STRING, b"Ada"),
    3: (Type.DOUBLE, 61.5),
    4: (Type.LIST, (Type.STRING, [b"a", b"b"])),
    5: (Type.MAP, (Type.STRING, Type.I32, [(b"chess", -1)])),
    6: (Type.BOOL, True),
}


class Wire(TTransportBase):
    """What a client writes goes through our decoder to `serve`; what that answers is what the client reads."""

    def __init__(self, serve: Callable[[Message], bytes], transport: str, protocol: str) -> None:
        self.decoder = Decoder(transport=transport, protocol=protocol)  # type: ignore[arg-type]
        self.serve = serve
        self.answer = b""
        self.got: list[Message] = []

    def isOpen(self) -> bool:
        return True

    def write(self, data: bytes) -> None:
        for message in self.decoder.feed(data):
            self.got.append(message)
            self.answer += self.serve(message)

    def flush(self) -> None:
        pass

    def read(self, size: int) -> bytes:
        data, self.answer = self.answer[:size], self.answer[size:]
        return data


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return generate(tmp_path_factory.mktemp("generated"))


def reply(call: Message, fields: dict[int, tuple[Type, object]]) -> bytes:
    return thrift.encode(call._replace(type="reply", fields=fields))


def test_a_result_comes_back_as_an_object(directory: ModuleType, transport: str, protocol: str) -> None:
    wire = Wire(lambda call: reply(call, {0: (Type.STRUCT, PERSON)}), transport, protocol)
    found = directory.Client(protocol_over(wire, transport, protocol)).find(7, "Ada")
    assert (found.id, found.name, found.weight, found.tags) == (1 << 40, "Ada", 61.5, ["a", "b"])
    assert (found.scores, found.active) == ({"chess": -1}, True)
    (call,) = wire.got
    assert (call.name, call.type, call.fields) == ("find", "call", {1: (Type.I64, 7), 2: (Type.STRING, b"Ada")})


def test_a_declared_exception_is_raised(directory: ModuleType, transport: str, protocol: str) -> None:
    wire = Wire(lambda call: reply(call, {1: (Type.STRUCT, {1: (Type.STRING, b"Eve")})}), transport, protocol)
    with pytest.raises(directory.Unknown) as caught:
        directory.Client(protocol_over(wire, transport, protocol)).find(7, "Eve")
    assert caught.value.name == "Eve"


def test_an_exception_of_the_proxy_is_a_tapplicationexception(directory: ModuleType, transport: str, protocol: str) -> None:
    wire = Wire(lambda call: thrift.exception(call, 1, "no route for method 'ping'"), transport, protocol)
    with pytest.raises(TApplicationException, match="no route for method 'ping'") as caught:
        directory.Client(protocol_over(wire, transport, protocol)).ping()
    assert caught.value.type == TApplicationException.UNKNOWN_METHOD


def test_a_oneway_call_and_a_void_one_on_one_connection(directory: ModuleType, transport: str, protocol: str) -> None:
    wire = Wire(lambda call: b"" if call.type == "oneway" else reply(call, {}), transport, protocol)
    client = directory.Client(protocol_over(wire, transport, protocol))
    client.note("one")
    client.ping()
    client.note("two")
    assert [(call.name, call.type) for call in wire.got] == [("note", "oneway"), ("ping", "call"), ("note", "oneway")]


def test_a_multiplexed_call_names_its_service(directory: ModuleType, transport: str, protocol: str) -> None:
    wire = Wire(lambda call: reply(call._replace(name="ping"), {}), transport, protocol)
    directory.Client(TMultiplexedProtocol(protocol_over(wire, transport, protocol), "people")).ping()
    assert wire.got[0].name == "people:ping"
