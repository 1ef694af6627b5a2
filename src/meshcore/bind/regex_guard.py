"""What every text that a regular expression matches must begin with.

The route table files a regular expression under this literal, so that a request looks only at those that could match.
Must never
claim too much: on anything but plain characters the literal ends. Main thread, when a table is compiled.
"""

# What may follow a backslash and still stand for itself; a letter or digit would be a class or an assertion.
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_SPECIAL = frozenset("\\.+*?()|[]{}^$")
_QUANTIFIERS = frozenset("*?{")


def literal_prefix(pattern: str) -> str:
    """The literal text at the start of `pattern` (RE2 syntax, whole-text match); "" when there is none for sure."""
    if "|" in pattern or "\\Q" in pattern or "(?" in pattern:
        # An alternative may begin otherwise, and flags may change what a character means.
        pattern = _before_group(pattern)
    at = 1 if pattern.startswith("^") else 0
    literal: list[str] = []
    while at < len(pattern):
        char = pattern[at]
        width = 1
        if char == "\\":
            if at + 1 >= len(pattern) or pattern[at + 1] not in _PUNCTUATION:
                break
            char = pattern[at + 1]
            width = 2
        elif char in _SPECIAL:
            break
        if at + width < len(pattern) and pattern[at + width] in _QUANTIFIERS:
            break
        literal.append(char)
        at += width
    return "".join(literal)


def _before_group(pattern: str) -> str:
    """The part before the first group; nothing when an alternative stands outside of any group or flags are set up
    front."""
    depth = 0
    at = 0
    first_group = len(pattern)
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            if pattern[at + 1 : at + 2] == "Q":
                return ""
            at += 2
            continue
        if char == "[":
            # Brackets inside a class are rare enough to give up on.
            return ""
        if char == "(":
            first_group = min(first_group, at)
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "|" and depth == 0:
            return ""
        at += 1
    return pattern[:first_group]
