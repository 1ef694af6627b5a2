"""String, header and query-parameter matchers (envoy.type.matcher.v3, envoy.config.route.v3.HeaderMatcher).

Lowers each to its spec value and checks that a regular expression compiles. Called by route_match.py,
route_action.py, retry.py and http1.py.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering
from meshcore.bind import spec

STRING = Fields("envoy.type.matcher.v3.StringMatcher", {"exact", "prefix", "suffix", "contains", "safe_regex", "ignore_case"})
REGEX = Fields("envoy.type.matcher.v3.RegexMatcher", {"regex"}, harmless={"google_re2": anything})
SUBSTITUTE = Fields("envoy.type.matcher.v3.RegexMatchAndSubstitute", {"pattern", "substitution"})
HEADER = Fields(
    "envoy.config.route.v3.HeaderMatcher",
    {
        "name", "exact_match", "prefix_match", "suffix_match", "contains_match", "safe_regex_match", "range_match",
        "present_match", "string_match", "invert_match", "treat_missing_header_as_empty",
    },
)  # fmt: skip
QUERY = Fields("envoy.config.route.v3.QueryParameterMatcher", {"name", "string_match", "present_match"})


def lower_string(message: Any, low: Lowering, path: str) -> spec.StringMatch:
    STRING.check(message, low.report, path)
    kind = message.WhichOneof("match_pattern") or "exact"
    if kind == "safe_regex":
        if message.ignore_case:
            low.refuse(join(path, "ignore_case"), "has no effect on 'safe_regex'; write (?i) at the start of the expression")
        return spec.StringMatch("regex", lower_regex(message.safe_regex, low, join(path, kind)))
    value = "" if kind == "custom" else getattr(message, kind)
    return spec.StringMatch(kind, value, message.ignore_case)


def lower_regex(message: Any, low: Lowering, path: str) -> str:
    """The expression of a RegexMatcher, refused when RE2 does not compile it."""
    REGEX.check(message, low.report, path)
    if text := _problem(message.regex, None):
        low.refuse(join(path, "regex"), f"{message.regex!r} is not accepted by RE2: {text}")
    return str(message.regex)


def lower_substitution(message: Any, low: Lowering, path: str) -> tuple[str, str]:
    """(pattern, substitution) of a RegexMatchAndSubstitute."""
    SUBSTITUTE.check(message, low.report, path)
    pattern = lower_regex(message.pattern, low, join(path, "pattern"))
    if not _problem(pattern, None) and (text := _problem(pattern, message.substitution)):
        low.refuse(join(path, "substitution"), f"does not fit the pattern: {text}")
    return pattern, str(message.substitution)


def regex_problem(expression: str) -> str | None:
    """Why RE2 does not accept `expression`; None when it does."""
    return _problem(expression, None)


@lru_cache(maxsize=4096)
def _problem(expression: str, substitution: str | None) -> str | None:
    """What the engine's own compiler says."""
    from meshcore.bind.matchers import check_regex

    found = check_regex(expression, substitution)
    return str(found).removeprefix(f"regular expression {expression!r}: ") if found else None


def lower_header(message: Any, low: Lowering, path: str) -> spec.HeaderMatch:
    HEADER.check(message, low.report, path)
    kind = message.WhichOneof("header_match_specifier")
    string, present, bounds = None, None, None
    if kind == "string_match":
        string = lower_string(message.string_match, low, join(path, kind))
    elif kind == "safe_regex_match":
        string = spec.StringMatch("regex", lower_regex(message.safe_regex_match, low, join(path, kind)))
    elif kind == "range_match":
        bounds = (message.range_match.start, message.range_match.end)
    elif kind in (None, "present_match"):
        present = message.present_match if kind else True
    else:
        string = spec.StringMatch(kind.removesuffix("_match"), getattr(message, kind))
    return spec.HeaderMatch(
        name=message.name.lower(),
        string=string,
        present=present,
        range=bounds,
        invert=message.invert_match,
        treat_missing_as_empty=message.treat_missing_header_as_empty,
    )


def lower_query(message: Any, low: Lowering, path: str) -> spec.QueryMatch:
    QUERY.check(message, low.report, path)
    kind = message.WhichOneof("query_parameter_match_specifier")
    if kind == "string_match":
        return spec.QueryMatch(message.name, string=lower_string(message.string_match, low, join(path, kind)))
    return spec.QueryMatch(message.name, present=message.present_match if kind else True)
