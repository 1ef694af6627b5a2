"""URI templates: envoy.extensions.path.match.uri_template and its rewriter, as regular expressions.

A template is a path of literals, `*` (anything in one segment), `**` (anything at all) and variables `{name}` or
`{name=pattern}`. Envoy itself matches it by the expression that it becomes, so what loads is what Envoy loads and
matches what Envoy matches, an asterisk inside a literal included. A rewrite names the variables of the match, so it
becomes a substitution with \\1 to \\5. Called by route_match.py and route_action.py."""

from __future__ import annotations

import re
from typing import Any

from mesh.config import matcher
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering

MATCH = Fields("envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig", {"path_template"})
REWRITE = Fields("envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig", {"path_template_rewrite"})
PCHAR = "a-zA-Z0-9-._~%!$&'()+,;:@=*"
SEGMENT, REST = f"[{PCHAR}]+", f"[{PCHAR}/]*"
LITERAL = re.compile(f"[{PCHAR}]+")
REWRITE_LITERAL = re.compile(f"[{PCHAR}/]+")
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,15}")
VARIABLES_MAX = 5


class Unfit(ValueError):
    """What is wrong with a template."""


class Template:
    """A parsed template: `regex` matches the whole path, `names` are its variables in order."""

    def __init__(self, text: str) -> None:
        if not re.fullmatch(r"/[!-~]*", text):
            raise Unfit("begins with '/' and holds visible ASCII alone")
        if "//" in text:
            raise Unfit("has no '//'")
        self.names: list[str] = []
        self._rest_seen = False
        self.regex = self._pieces(text)

    def _pieces(self, text: str) -> str:
        done = []
        literal_next = False
        while text:
            if text[0] == "{" and not literal_next:
                name, closed, rest = text[1:].partition("}")
                if not closed:
                    raise Unfit("a '{' is not closed")
                piece, text = self._variable(name), rest
                literal_next = True
            else:
                piece, text, literal_next = self._plain(text, literal_next)
            done.append(piece)
        return "".join(done)

    def _plain(self, text: str, literal_next: bool) -> tuple[str, str, bool]:
        """(expression, what follows, whether it was a glob) of the literal or glob that `text` begins with."""
        if text[0] == "*" and not literal_next:
            width = 2 if text.startswith("**") else 1
            return self._glob(width == 2), text[width:], True
        literal = "/" if text[0] == "/" else re.split("[/{]", text, maxsplit=1)[0]
        if literal != "/" and not LITERAL.fullmatch(literal):
            raise Unfit(f"'{literal or text}' stands where a literal belongs")
        return re.sub(r"([$().+])", r"\\\1", literal), text[len(literal) :], False

    def _variable(self, text: str) -> str:
        name, given, pattern = text.partition("=")
        if not NAME.fullmatch(name):
            raise Unfit(f"'{name}' is no name of a variable: a letter, then letters, digits or _, at most 16 in all")
        if name in self.names:
            raise Unfit(f"the variable '{name}' stands twice")
        if len(self.names) == VARIABLES_MAX:
            raise Unfit(f"at most {VARIABLES_MAX} variables are accepted")
        self.names.append(name)
        if not given:
            return f"({self._glob(False)})"
        if not pattern:
            raise Unfit("a variable's pattern is empty")
        done = []
        after_glob = False
        while pattern:
            if after_glob and pattern[0] not in "/*":
                raise Unfit("after a glob comes '/'")
            piece, pattern, after_glob = self._plain(pattern, after_glob)
            done.append(piece)
        return f"({''.join(done)})"

    def _glob(self, rest: bool) -> str:
        if self._rest_seen:
            raise Unfit("no glob and no plain variable may follow '**'")
        self._rest_seen = rest
        return REST if rest else SEGMENT


def substitution(rewrite: str, names: list[str]) -> str:
    """`rewrite` with \\N in place of each variable."""
    if not rewrite.startswith("/") or "//" in rewrite:
        raise Unfit("begins with '/' and has no '//'")
    parts = re.split(r"\{([^}]*)\}", rewrite)
    for literal in filter(None, parts[::2]):
        if not REWRITE_LITERAL.fullmatch(literal):
            raise Unfit(f"'{literal}' holds characters that no path has")
    for name in parts[1::2]:
        if name not in names:
            raise Unfit(f"the match has no variable '{name}'")
    return "".join(f"\\{names.index(part) + 1}" if index % 2 else part for index, part in enumerate(parts))


def lower_match(policy: Any, low: Lowering, path: str) -> str:
    """The expression of a `path_match_policy`."""
    at = join(path, "typed_config")
    config, table = low.unpack(policy.typed_config, at, {MATCH.message: MATCH}, "a path matcher")
    if config is None:
        return "/"
    table.check(config, low.report, at)
    regex = _template(config.path_template, low, join(at, "path_template")).regex
    if matcher.regex_problem(regex):
        low.refuse(join(at, "path_template"), f"'{config.path_template}' matches nothing: '*' cannot repeat what stands before it")
    return regex


def lower_rewrite(policy: Any, match: Any, low: Lowering, path: str) -> tuple[str, str] | None:
    """(pattern, substitution) of a `path_rewrite_policy`; `match` is the route's RouteMatch, whose variables it uses."""
    at = join(path, "typed_config")
    config, table = low.unpack(policy.typed_config, at, {REWRITE.message: REWRITE}, "a path rewriter")
    if config is None:
        return None
    table.check(config, low.report, at)
    if match.WhichOneof("path_specifier") != "path_match_policy":
        low.refuse(path, "needs a 'path_match_policy' in the route's match")
        return None
    matched = low.open(match.path_match_policy.typed_config, path)
    template = _template(getattr(matched, "path_template", "/"), low, path)
    try:
        return f"^{template.regex}$", substitution(config.path_template_rewrite, template.names)
    except Unfit as error:
        low.refuse(join(at, "path_template_rewrite"), f"'{config.path_template_rewrite}': {error}")
        return None


def _template(text: str, low: Lowering, path: str) -> Template:
    try:
        return Template(text)
    except Unfit as error:
        low.refuse(path, f"'{text}' is no URI template: {error}")
        return Template("/")
