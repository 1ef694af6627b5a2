"""Why a condition of a route holds, or does not, in words.

The same rules as the engine's matchers (meshcore/route), written for reading: each function answers (holds, words).
Regular expressions are asked of the engine itself. A test compares the two on random tables. No configuration paths here.
"""

from __future__ import annotations

import ipaddress
import re

from mesh.explain.model import Request
from meshcore.bind import spec

Verdict = tuple[bool, str]
NUMBER = re.compile(r"\s*([+-]?[0-9]+)\s*", re.ASCII)
WORDS = {"exact": "is", "prefix": "begins with", "suffix": "ends with", "contains": "contains", "regex": "matches"}


def regex_holds(pattern: str, text: str) -> bool:
    from meshcore.bind.matchers import regex_matches

    return bool(regex_matches(pattern, text.encode("utf-8", "surrogateescape")))


def fold(text: str) -> str:
    """Lower case of ASCII letters alone, as the engine folds."""
    return "".join(chr(ord(char) + 32) if "A" <= char <= "Z" else char for char in text)


def string_holds(match: spec.StringMatch, text: str) -> bool:
    value = match.value
    if match.kind == "regex":
        return regex_holds(value, text)
    if match.ignore_case:
        value, text = fold(value), fold(text)
    if match.kind == "exact":
        return text == value
    if match.kind == "prefix":
        return text.startswith(value)
    return text.endswith(value) if match.kind == "suffix" else value in text


def string_words(match: spec.StringMatch) -> str:
    return f"{WORDS[match.kind]} '{match.value}'" + (" (any case)" if match.ignore_case else "")


def header(match: spec.HeaderMatch, request: Request) -> Verdict:
    from meshcore.bind.single_headers import SINGLE_REQUEST

    values = request.values(match.name)
    found = ", ".join(f"'{value}'" for value in values) if values else "missing"
    if match.name in SINGLE_REQUEST and len(values) > 1:
        values = [",".join(values)]
    shown = f"header {match.name} is {found}"
    if match.string is None and match.range is None:
        wanted = match.present is not False
        holds = (bool(values) or match.treat_missing_as_empty) == wanted
        return holds != match.invert, f"{shown}, wanted {'present' if wanted != match.invert else 'absent'}"
    if match.string is not None:
        want = string_words(match.string)
    else:
        first, end = match.range or (0, 0)
        want = f"is a number from {first} to below {end}"
    text = f"{shown}, wanted one that {'not ' if match.invert else ''}{want}"
    if not values and not match.treat_missing_as_empty:
        return False, text
    return any(_value_holds(match, value) for value in values or [""]) != match.invert, text


def _value_holds(match: spec.HeaderMatch, value: str) -> bool:
    if match.string is not None:
        return string_holds(match.string, value)
    number = NUMBER.fullmatch(value)
    if number is None or match.range is None or not -(2**63) <= int(number[1]) < 2**63:
        return False
    return match.range[0] <= int(number[1]) < match.range[1]


def query(match: spec.QueryMatch, path: str) -> Verdict:
    pairs = [part.partition("=") for part in path.partition("?")[2].split("&")] if "?" in path else []
    value = next((value for name, _, value in pairs if name == match.name), None)
    shown = f"query parameter {match.name} is " + ("missing" if value is None else f"'{value}'")
    if match.string is None:
        wanted = match.present is not False
        return (value is not None) == wanted, f"{shown}, wanted {'present' if wanted else 'absent'}"
    return value is not None and string_holds(match.string, value), f"{shown}, wanted one that {string_words(match.string)}"


def path(match: spec.RouteMatch, request: Request, ignore_parameters: bool) -> Verdict:
    if match.path_kind == "connect":
        return request.method == "CONNECT", f"the method is {request.method}, wanted CONNECT"
    if not request.path:
        return False, "the request has no path"
    whole = re.split("[?#]", request.path)[0]
    seen = without_parameters(whole) if ignore_parameters and match.path_kind != "uri_template" else whole
    wanted = match.path
    if match.path_kind in ("regex", "uri_template"):
        word = "is not matched by" if not (holds := regex_holds(wanted, seen)) else "is matched by"
        kind = "the URI template's expression " if match.path_kind == "uri_template" else ""
        return holds, f"path {seen} {word} {kind}{wanted}"
    if not match.case_sensitive:
        wanted, folded = fold(wanted), fold(seen)
    else:
        folded = seen
    if match.path_kind == "path":
        return folded == wanted, f"path {seen} {'is' if folded == wanted else 'is not'} {match.path}"
    holds = folded.startswith(wanted)
    if match.path_kind == "path_separated_prefix":
        holds = folded == wanted or folded.startswith(wanted + "/")
    return holds, f"path {seen} {'begins' if holds else 'does not begin'} with {match.path}"


def without_parameters(path: str) -> str:
    return re.sub(";[^/]*", "", path)


def is_grpc(request: Request) -> bool:
    return bool(re.fullmatch(r"application/grpc(\+.*)?", next(iter(request.values("content-type")), ""), re.DOTALL))


def fraction(wanted: spec.RuntimeFraction, random: int) -> Verdict:
    share = f"{wanted.numerator} of {wanted.denominator}" + (f" (runtime key {wanted.key})" if wanted.key else "")
    return random % wanted.denominator < wanted.numerator, f"a share of {share}; this request's number is {random % wanted.denominator}"


def stream(match: spec.RouteMatch) -> list[Verdict]:
    """Conditions upon what a filter or TLS would have left: nothing is there when a route is first looked for."""
    found: list[Verdict] = []
    for wanted, words in ((match.tls_presented, "presented"), (match.tls_validated, "validated")):
        if wanted is not None:
            found.append((not wanted, f"the client's certificate is not {words}, wanted {'it is' if wanted else 'it is not'}"))
    for one in match.metadata:
        found.append((one.invert, f"dynamic metadata {':'.join((one.namespace, *one.path))} is missing until a filter sets it"))
    for state in match.filter_state:
        found.append((False, f"filter state {state.key} is missing until a filter sets it"))
    return found


def route(match: spec.RouteMatch, request: Request, ignore_parameters: bool) -> tuple[bool, bool, list[str]]:
    """(whether the route takes the request, whether its path does, the words: why not, or all that holds)."""
    holds, words = path(match, request, ignore_parameters)
    if not holds:
        return False, False, [words]
    verdicts = []
    if match.runtime_fraction is not None:
        verdicts.append(fraction(match.runtime_fraction, request.random))
    if match.grpc:
        verdicts.append((is_grpc(request), "content-type of gRPC"))
    verdicts += [header(one, request) for one in match.headers]
    verdicts += [query(one, request.path) for one in match.query]
    verdicts += stream(match)
    failed = [text for ok, text in verdicts if not ok]
    return not failed, True, failed or [words, *(text for _, text in verdicts)]


def in_ranges(text: str, ranges: tuple[tuple[str, int], ...]) -> bool:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(found in ipaddress.ip_network((host, bits), strict=False) for host, bits in ranges)
