"""Every field of meshcore.bind.spec is lowered: everything.yaml sets each to something that is not its default.

A field that the spec gains and the config layer forgets fails here by name. Envoy itself must accept the same file.
"""

from __future__ import annotations

import dataclasses
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh.config import load
from meshcore.bind import filter_spec, health_spec, spec, thrift_spec
from tests.peers.envoy import envoy_binary

FILE = Path(__file__).parent / "everything.yaml"
NOT_YET = {
    "TlsCertificate.name",  # of secrets, which are resolved when they are published
    "TlsTrust.name",
    "TlsContext.ready",
    "DnsTarget.priority",  # the one cluster with names there is a LOGICAL_DNS one, which has one priority
}


def values(value: Any) -> Iterator[Any]:
    """All spec values inside `value`."""
    if dataclasses.is_dataclass(value):
        yield value
        for field in dataclasses.fields(value):
            yield from values(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from values(item)


def default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


@pytest.fixture(scope="module")
def plan() -> spec.Plan:
    return load(FILE).plan


def test_each_field_of_the_spec_is_set_by_some_bootstrap(plan: spec.Plan) -> None:
    seen: dict[str, list[Any]] = defaultdict(list)
    for value in values(plan):
        for field in dataclasses.fields(value):
            seen[f"{type(value).__name__}.{field.name}"].append((getattr(value, field.name), default_of(field)))
    modules = {**vars(filter_spec), **vars(health_spec), **vars(spec), **vars(thrift_spec)}
    classes = [item for item in modules.values() if isinstance(item, type) and dataclasses.is_dataclass(item)]
    wanted = {f"{one.__name__}.{field.name}" for one in classes for field in dataclasses.fields(one)}
    untouched = {name for name in wanted if all(value == default for value, default in seen[name])}
    assert untouched == NOT_YET


@pytest.mark.slow
def test_envoy_accepts_the_same_file(tmp_path: Path) -> None:
    from mesh.config.render import to_tree, to_yaml
    from mesh.config.source import from_path

    tree = from_path(FILE).tree
    hcm = tree["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    del hcm["http_filters"][0]
    # Envoy's route tables have no use for it.
    matchers = hcm["route_config"]["virtual_hosts"][1]["matcher"]["matcher_list"]["matchers"]
    del matchers[0]["on_match"]["keep_matching"]
    # Envoy wants HTTP/2 of a cluster that is checked by gRPC.
    del tree["static_resources"]["clusters"][-1]["health_checks"]
    del tree["static_resources"]["clusters"][0]["typed_extension_protocol_options"]["mesh.extensions.request_queue"]
    chains = [chain["filters"][0] for listener in tree["static_resources"]["listeners"] for chain in listener["filter_chains"]]
    thrift = next(one["typed_config"] for one in chains if one["name"] == "thrift")
    thrift["thrift_filters"] = [one for one in thrift["thrift_filters"] if one["name"] != "retry"]
    path = tmp_path / "envoy.yaml"
    path.write_text(to_yaml(to_tree(load(tree).bootstrap)))
    command = [envoy_binary(), "--mode", "validate", "-c", str(path), "-l", "error"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_two_loads_of_one_file_compare_equal(plan: spec.Plan) -> None:
    assert load(FILE).plan == plan
