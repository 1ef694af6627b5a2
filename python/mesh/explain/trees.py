"""The walk through a match tree, branch by branch, as the engine's match_tree goes.

Answers with the action that the tree chooses, and leaves a Step for each node and for each entry that was asked. A map
shows the key that was found, not the thousand that were not."""

from __future__ import annotations

import ipaddress
import re

from mesh.explain import conditions
from mesh.explain.model import Request, Step
from meshcore.bind import spec

ADDRESSES = {"source_ip", "direct_source_ip"}


def value_of(seen: spec.TreeInput, request: Request) -> str | None:
    """What an input holds; None: nothing."""
    if seen.kind == "header":
        values = request.values(seen.name)
        return ",".join(values) if values else None
    if seen.kind == "query":
        pairs = [part.partition("=") for part in request.path.partition("?")[2].split("&")] if "?" in request.path else []
        return next((value for name, _, value in pairs if name == seen.name), None)
    if seen.kind == "text":
        return seen.value
    host, _, port = (request.source or "").rpartition(":")
    if seen.kind in ADDRESSES:
        return host.strip("[]") or None
    return (port or None) if seen.kind == "source_port" else None


def input_words(seen: spec.TreeInput, request: Request) -> str:
    value = value_of(seen, request)
    name = f"{seen.kind.replace('_', ' ')} {seen.name}".strip()
    return f"{name} is " + ("missing" if value is None else f"'{value}'")


def predicate(one: spec.Predicate, request: Request) -> tuple[bool, str]:
    if one.kind in ("and", "or"):
        found = [predicate(part, request) for part in one.parts]
        word = " and " if one.kind == "and" else " or "
        holds = all(ok for ok, _ in found) if one.kind == "and" else any(ok for ok, _ in found)
        return holds, f"({word.join(text for _, text in found)})"
    if one.kind == "not":
        holds, text = predicate(one.parts[0], request)
        return not holds, f"not {text}"
    assert one.input is not None
    value, words = value_of(one.input, request), input_words(one.input, request)
    if one.kind == "ip":
        ranges = ", ".join(f"{host}/{bits}" for host, bits in one.ranges)
        return value is not None and conditions.in_ranges(value, one.ranges), f"{words}, wanted in {ranges}"
    assert one.string is not None
    wanted = conditions.string_words(one.string)
    return value is not None and conditions.string_holds(one.string, value), f"{words}, wanted one that {wanted}"


def walk(tree: spec.MatchTree, request: Request, path: str, step: Step) -> tuple[int, str] | None:
    """(action, its path), or None when the tree has no answer; `step` gets what was asked."""
    found = _list(tree, request, path, step) if tree.kind == "list" else _map(tree, request, path, step)
    if found is None and tree.otherwise is not None:
        found = _follow(tree.otherwise, request, f"{path}.on_no_match", "on_no_match", "nothing else matched", step)
    step.ok = found is not None
    return found


def _follow(
    branch: spec.OnMatch, request: Request, path: str, title: str, why: str, step: Step
) -> tuple[int, str] | None:
    inner = Step("entry", title, True, why, path)
    step.inner.append(inner)
    found: tuple[int, str] | None = (branch.action, f"{path}.action")
    if branch.tree is not None:
        found = walk(branch.tree, request, f"{path}.matcher", inner)
    if found is not None and branch.keep_matching:
        inner.why += "; it keeps matching, so the search goes on"
        found = None
    inner.ok = found is not None
    if branch.tree is not None and found is None and not branch.keep_matching:
        inner.why += "; but nothing inside does"
    return found


def _list(tree: spec.MatchTree, request: Request, path: str, step: Step) -> tuple[int, str] | None:
    for index, (asked, branch) in enumerate(tree.fields):
        at = f"{path}.matcher_list.matchers[{index}]"
        holds, words = predicate(asked, request)
        if not holds:
            step.inner.append(Step("entry", f"matchers[{index}]", False, words, at))
            continue
        found = _follow(branch, request, f"{at}.on_match", f"matchers[{index}]", words, step)
        if found is not None:
            return found
    return None


def _map(tree: spec.MatchTree, request: Request, path: str, step: Step) -> tuple[int, str] | None:
    assert tree.input is not None
    value, words = value_of(tree.input, request), input_words(tree.input, request)
    step.why = words
    if value is None:
        return None
    if tree.kind == "ip":
        return _ranges(tree, value, request, path, step)
    field = "exact_match_map" if tree.kind == "exact" else "prefix_match_map"
    keys = [(key, branch) for key, branch in tree.entries if key == value or (tree.kind == "prefix" and value.startswith(key))]
    for key, branch in sorted(keys, key=lambda pair: -len(pair[0].encode())):
        found = _follow(branch, request, f'{path}.matcher_tree.{field}.map["{key}"]', f"'{key}'", words, step)
        if found is not None:
            return found
    if not keys:
        step.inner.append(Step("entry", field, False, f"{words}; none of {len(tree.entries)} entries", f"{path}.matcher_tree.{field}"))
    return None


def _ranges(tree: spec.MatchTree, value: str, request: Request, path: str, step: Step) -> tuple[int, str] | None:
    ordered = sorted(tree.ranges, key=lambda one: (ipaddress.ip_address(one[0][0]).version, -one[0][1]))
    asked = False
    if not re.fullmatch(r"[0-9a-fA-F.:]+", value):
        return None
    for (host, bits), exclusive, branch in ordered:
        if not conditions.in_ranges(value, ((host, bits),)) or (asked and exclusive):
            continue
        asked = True
        at = f"{path}.matcher_tree.custom_match"
        found = _follow(branch, request, at, f"{host}/{bits}", f"{value} is in {host}/{bits}", step)
        if found is not None:
            return found
    return None
