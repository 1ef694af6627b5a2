"""What happens to a request head before it is routed: who the client is, early header mutations."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.config import ConfigError
from meshcore.bind import spec
from tests.config.plans import everything, hcm

HTTP = "type.googleapis.com/envoy.extensions.http"
CUSTOM = f"{HTTP}.original_ip_detection.custom_header.v3.CustomHeaderConfig"
XFF = f"{HTTP}.original_ip_detection.xff.v3.XffConfig"
EARLY = f"{HTTP}.early_header_mutation.header_mutation.v3.HeaderMutation"


def extension(type_url: str, **config: Any) -> dict[str, Any]:
    return {"name": "x", "typed_config": {"@type": type_url, **config}}


def sources(*extensions: dict[str, Any], **fields: Any) -> tuple[spec.IpSource, ...]:
    return hcm(hcm={"original_ip_detection_extensions": list(extensions), **fields}).ip_sources


def test_sources_keep_their_order_and_settings() -> None:
    assert everything().listeners[1].hcm.ip_sources == (
        spec.IpSource(hops=1, append=True),
        spec.IpSource(header="x-real-ip", trusted=True, reject_status=401),
    )
    assert sources(extension(XFF)) == (spec.IpSource(),)


def test_a_status_that_is_no_error_rejects_with_403() -> None:
    found = sources(extension(CUSTOM, header_name="x", reject_with_status={"code": "OK"}))
    assert found == (spec.IpSource(header="x", reject_status=403),)


@pytest.mark.parametrize("field", [{"use_remote_address": True}, {"xff_num_trusted_hops": 1}])
def test_sources_and_the_usual_way_exclude_each_other(field: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"'{next(iter(field))}' is set as well"):
        sources(extension(XFF), **field)


def test_trusted_ranges_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="'xff_trusted_cidrs' is not implemented yet"):
        sources(extension(XFF, xff_trusted_cidrs={}))


def test_early_mutations_come_one_after_the_other() -> None:
    assert everything().listeners[1].hcm.early_mutations == (
        spec.HeaderMutation(request_add=(spec.HeaderAdd("x-early", "yes"),)),
        spec.HeaderMutation(request_remove=("x-bad",)),
    )


def test_a_mutation_of_another_kind_is_refused_by_name() -> None:
    mutation = {"remove_on_match": {"key_matcher": {"prefix": "x-"}}}
    with pytest.raises(ConfigError, match=r"mutations\[0\].remove_on_match: 'remove_on_match' is not implemented yet"):
        hcm(hcm={"early_header_mutation_extensions": [extension(EARLY, mutations=[mutation])]})
