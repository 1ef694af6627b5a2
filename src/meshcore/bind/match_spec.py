"""The part of the plan (spec.py) that says what a request must look like: conditions of routes, and match trees.

Immutable values with Envoy's names; nothing is validated here. Lowered by `matcher`, `route_match` and `match_tree` of mesh.config,
compiled by `matchers`, `stream_matchers` and `match_trees` of meshcore.bind; spec.py passes the names on.
"""

from __future__ import annotations

from meshcore.bind.record import record
from meshcore.bind.runtime_spec import RuntimeFraction


@record
class StringMatch:
    """envoy.type.matcher.v3.StringMatcher: `kind` is exact | prefix | suffix | contains | regex (regex matches the whole string)."""

    kind: str
    value: str
    ignore_case: bool = False


@record
class HeaderMatch:
    """envoy.config.route.v3.HeaderMatcher: exactly one of `string`, `present`, `range` is set (range is [start, end))."""

    name: str
    string: StringMatch | None = None
    present: bool | None = None
    range: tuple[int, int] | None = None
    invert: bool = False
    treat_missing_as_empty: bool = False


@record
class QueryMatch:
    """envoy.config.route.v3.QueryParameterMatcher: `string`, or `present` alone."""

    name: str
    string: StringMatch | None = None
    present: bool | None = None


@record
class ValueMatch:
    """envoy.type.matcher.v3.ValueMatcher: `test` is null | bool (`flag`) | number (`start`) | range ([start, end)) | string |
    present (`flag`) | any_item (of a list, by the one of `parts`) | any_of (`parts`)."""

    test: str
    flag: bool = False
    start: float = 0.0
    end: float = 0.0
    string: StringMatch | None = None
    parts: tuple[ValueMatch, ...] = ()


@record
class MetadataMatch:
    """envoy.type.matcher.v3.MetadataMatcher: of the stream's dynamic metadata."""

    namespace: str
    path: tuple[str, ...]
    value: ValueMatch
    invert: bool = False


@record
class FilterStateMatch:
    """envoy.type.matcher.v3.FilterStateMatcher: `string`, or an address in one of `ranges` (address, prefix length)."""

    key: str
    string: StringMatch | None = None
    ranges: tuple[tuple[str, int], ...] = ()


@record
class RouteMatch:
    """`path_kind`: prefix | path | regex | uri_template (as a regular expression) | path_separated_prefix | connect.
    `runtime_fraction`: part of the requests that may match.
    `tls_presented`, `tls_validated`: what must be so of the client's certificate."""

    path_kind: str
    path: str
    case_sensitive: bool = True
    headers: tuple[HeaderMatch, ...] = ()
    query: tuple[QueryMatch, ...] = ()
    runtime_fraction: RuntimeFraction | None = None
    grpc: bool = False
    tls_presented: bool | None = None
    tls_validated: bool | None = None
    metadata: tuple[MetadataMatch, ...] = ()
    filter_state: tuple[FilterStateMatch, ...] = ()


# --- match trees ----------------------------------------------------------------------------------------------------


@record
class TreeInput:
    """What is looked at: `kind` is header | query | filter_state (`name` says which) | text (`value`, None: it has none) | source_ip |
    direct_source_ip | destination_ip | source_port | destination_port | server_name | transport_protocol | application_protocol |
    source_type."""

    kind: str
    name: str = ""
    value: str | None = None


@record
class Predicate:
    """`kind`: string (of `input`, by `string`) | ip (`input` in `ranges`) | and | or | not (of `parts`)."""

    kind: str
    input: TreeInput | None = None
    string: StringMatch | None = None
    ranges: tuple[tuple[str, int], ...] = ()
    parts: tuple[Predicate, ...] = ()


@record
class OnMatch:
    """Where a branch leads: to `tree`, or to `action`, a number that the owner of the tree gives a meaning."""

    tree: MatchTree | None = None
    action: int = 0
    keep_matching: bool = False


@record
class MatchTree:
    """xds.type.matcher.v3.Matcher: `kind` is list (`fields`) | exact | prefix (`entries`: value, branch) | ip (`ranges`: (address, bits),
    exclusive, branch)."""

    kind: str
    input: TreeInput | None = None
    fields: tuple[tuple[Predicate, OnMatch], ...] = ()
    entries: tuple[tuple[str, OnMatch], ...] = ()
    ranges: tuple[tuple[tuple[str, int], bool, OnMatch], ...] = ()
    otherwise: OnMatch | None = None
