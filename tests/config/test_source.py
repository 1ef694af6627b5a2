"""The same configuration in every format gives the same plan; what is not known in a binary one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from mesh.config import ConfigError, Loaded, load
from mesh.config.render import to_tree, to_yaml
from tests.config.boot import HCM_PATH, bootstrap


@pytest.fixture(scope="module")
def base() -> Loaded:
    return load(bootstrap())


def written(base: Loaded, form: str) -> bytes:
    if form in ("yaml", "yml", "conf"):
        return to_yaml(to_tree(base.bootstrap)).encode()
    if form in ("json", "cfg"):
        return json.dumps(to_tree(base.bootstrap)).encode()
    if form == "pb":
        return base.bootstrap.SerializeToString()
    return text_format.MessageToString(base.bootstrap).encode()


@pytest.mark.parametrize("form", ["yaml", "yml", "json", "pb", "pb_text", "conf", "cfg"])
def test_every_format_gives_the_same_plan(form: str, base: Loaded, tmp_path: Path) -> None:
    path = tmp_path / f"envoy.{form}"
    path.write_bytes(written(base, form))
    found = load(path)
    assert found.plan == base.plan
    assert found.origin == str(path)


def test_a_message_and_a_loaded_are_sources_too(base: Loaded) -> None:
    assert load(base.bootstrap).plan == base.plan
    assert load(base) is base
    assert load(base.bootstrap).bootstrap is not base.bootstrap


def test_an_overlay_merges_as_protobuf_does() -> None:
    overlay = """
    node: {id: over}
    static_resources:
      clusters: [{name: more, connect_timeout: 2s}]
    """
    found = load(bootstrap(bootstrap={"node": {"id": "a", "cluster": "b"}}), overlay=overlay).plan
    assert found.node == {"id": "over", "cluster": "b"}
    assert [one.name for one in found.clusters] == ["web", "more"]
    assert load(None, overlay="node: {id: alone}").plan.node == {"id": "alone"}
    assert load(bootstrap(), overlay={"node": {"id": "d"}}).plan.node == {"id": "d"}


def test_unknown_fields_of_a_binary_are_refused_wherever_they_are(base: Loaded, tmp_path: Path) -> None:
    path = tmp_path / "envoy.pb"
    unknown = b"\xf8\xff\x03\x01"  # field 8191, varint 1
    path.write_bytes(base.bootstrap.SerializeToString() + unknown)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: #8191: a field of this number is not known"

    hidden = type(base.bootstrap)()
    hidden.CopyFrom(base.bootstrap)
    config = hidden.static_resources.listeners[0].filter_chains[0].filters[0].typed_config
    config.value += unknown
    path.write_bytes(hidden.SerializeToString())
    with pytest.raises(ConfigError, match=r"filters\[0\].typed_config.#8191: a field of this number is not known"):
        load(path)
    assert HCM_PATH.endswith("filters[0].typed_config")


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.pb", b"\xff\xff\xff", "the bytes are no serialized envoy.config.bootstrap.v3.Bootstrap"),
        ("a.pb_text", b"node { id: 5 }", "not a valid text protobuf: "),
        ("a.yaml", b"\xff\xfea", "is not UTF-8 text: byte 0 is 0xff"),
        ("a.yaml", b"- a\n", "a mapping belongs here, not a list"),
        ("a.json", b"[]", "a mapping belongs here, not a list"),
    ],
)
def test_what_is_no_configuration_is_one_line(name: str, content: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    [problem] = caught.value.problems
    assert problem.text.startswith(text)
    assert str(path) in str(problem)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_loading_leaves_the_callers_dict_alone() -> None:
    tree: dict[str, Any] = bootstrap()
    before = json.dumps(tree)
    load(tree)
    assert json.dumps(tree) == before
