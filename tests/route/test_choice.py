"""What a found route decides: the cluster by weight, the share of requests, the retry policy."""

from __future__ import annotations

import gc
from collections import Counter

import pytest

from meshcore.bind.route_face import Retry, RouteTableFace, live_tables
from meshcore.bind.spec import (
    DirectResponse,
    Forward,
    HeaderAdd,
    HeaderMutation,
    Redirect,
    RetryPolicy,
    Route,
    RouteMatch,
    RouteTable,
    RuntimeFraction,
    VirtualHost,
    WeightedCluster,
)

ANY = RouteMatch("prefix", "/")


def face_of(*routes: Route, retry: RetryPolicy | None = None) -> RouteTableFace:
    return RouteTableFace(RouteTable("t", (VirtualHost("v", ("*",), routes, retry=retry),)))


def weighted(*pairs: tuple[str, int]) -> Route:
    return Route(ANY, Forward(weighted=tuple(WeightedCluster(name, weight) for name, weight in pairs)))


def test_weights_share_the_random_numbers_exactly() -> None:
    face = face_of(weighted(("a", 1), ("b", 0), ("c", 3)))
    shares = Counter(face.find("h", "/", random=n).cluster for n in range(400))
    assert shares == {"a": 100, "c": 300}


def test_the_first_cluster_takes_the_low_numbers() -> None:
    face = face_of(weighted(("a", 2), ("b", 2)))
    assert [face.find("h", "/", random=n).cluster for n in range(5)] == ["a", "a", "b", "b", "a"]


def test_random_numbers_of_64_bits_are_taken_whole() -> None:
    face = face_of(weighted(("a", 7), ("b", 3)))
    number = 2**64 - 1
    assert face.find("h", "/", random=number).cluster == ("a" if number % 10 < 7 else "b")


@pytest.mark.parametrize(("part", "whole"), [(0, 100), (25, 100), (100, 100), (1, 10_000), (999_999, 1_000_000)])
def test_a_fraction_takes_its_share_and_leaves_the_rest_to_the_next_route(part: int, whole: int) -> None:
    canary = Route(RouteMatch("prefix", "/", runtime_fraction=RuntimeFraction(part, whole)), Forward("canary"))
    face = face_of(canary, Route(ANY, Forward("stable")))
    for number in {0, part - 1, part, whole - 1, whole, whole + part} - {-1}:
        expected = "canary" if number % whole < part else "stable"
        assert face.find("h", "/", random=number).cluster == expected


def test_routes_that_do_not_forward_name_no_cluster() -> None:
    face = face_of(
        Route(RouteMatch("path", "/r"), Redirect(host="x")), Route(RouteMatch("path", "/d"), DirectResponse(200, b"x")),
        Route(RouteMatch("path", "/h"), Forward(cluster_header="x-cluster")),
    )  # fmt: skip
    assert [face.find("h", path).cluster for path in ("/r", "/d", "/h")] == ["", "", ""]


def test_the_retry_policy_of_the_host_is_used_where_the_route_has_none() -> None:
    own = RetryPolicy(("5xx", "reset"), num_retries=3, retriable_status_codes=(409, 418))
    face = face_of(
        Route(RouteMatch("path", "/own"), Forward("c", retry=own)),
        Route(ANY, Forward("c")),
        retry=RetryPolicy(("connect-failure",)),
    )
    assert face.retry("h", "/own") == Retry(on=1 << 0 | 1 << 6, num_retries=3, status_codes=(409, 418))
    assert face.retry("h", "/other") == Retry(on=1 << 2, num_retries=1, status_codes=())
    assert face_of(Route(ANY, Forward("c"))).retry("h", "/") is None


def test_unknown_retry_words_are_skipped_as_envoy_does() -> None:
    policy = RetryPolicy(("unavailable", "no-such-word", "cancelled"))
    assert face_of(Route(ANY, Forward("c", retry=policy))).retry("h", "/").on == 1 << 13 | 1 << 10


def test_a_table_is_freed_with_its_last_owner() -> None:
    gc.collect()
    before = live_tables()
    face = face_of(Route(RouteMatch("regex", "/a.*"), Forward("c", regex_rewrite=("a", "b"))))
    assert live_tables() == before + 1
    del face
    assert live_tables() == before


def test_a_table_that_cannot_be_compiled_leaves_nothing_behind() -> None:
    before = live_tables()
    bad = HeaderMutation(request_add=(HeaderAdd("x", "%NO_SUCH_OPERATOR%"),))
    with pytest.raises(ValueError, match="NO_SUCH_OPERATOR"):
        face_of(Route(RouteMatch("regex", "/a.*"), Forward("c"), mutation=bad))
    assert live_tables() == before
