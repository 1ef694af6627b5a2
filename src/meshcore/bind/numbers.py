"""Doubles as text the way C++ writes them (std::to_chars): what JSON log formats and statistics must agree on byte
for byte.

Pure functions, any thread.
"""

from __future__ import annotations

import math


def shortest(value: float) -> str:
    """The shortest text that reads back as `value`, plain or scientific (plain when equally long); "nan" and "inf" as
    words.
    """
    if math.isnan(value) or math.isinf(value):
        return repr(value)
    sign = math.copysign(1, value) < 0
    # What the decimal module would take apart; its import costs more than half a megabyte.
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, rest = mantissa.partition(".")
    digits = (whole + rest).lstrip("0")
    text = digits.rstrip("0")
    if not text:
        return "-0" if sign else "0"
    # 0.text * 10**point
    point = len(digits) - len(rest) + int(exponent or 0)
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    scientific = f"{text[0]}{fraction}e{'-' if point < 1 else '+'}{abs(point - 1):02d}"
    if point <= 0:
        plain = "0." + "0" * -point + text
    elif point >= len(text):
        plain = str(int(value)) if len(text) < 17 or abs(value) >= 2**53 else text + "0" * (point - len(text))
        plain = plain.lstrip("-")
    else:
        plain = f"{text[:point]}.{text[point:]}"
    return ("-" if sign else "") + (plain if len(plain) <= len(scientific) else scientific)


def general(value: float) -> str:
    """The shortest text that reads back, scientific only from 10**16 on and under 10**-4; whole numbers without a
    fraction.
    """
    text = repr(value)
    return text.removesuffix(".0")
