"""The text routines of base/span against Python's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meshcore.bind.basetest import decimal, equal_nocase, find, has_token, hexadecimal, is_nocase, parse_number, tokens, trim

U64 = st.integers(0, 2**64 - 1)
LISTS = st.text(alphabet="aAbB ,\t;", max_size=30).map(str.encode)


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_equal_nocase_folds_ascii_and_nothing_else(a: bytes, b: bytes) -> None:
    assert equal_nocase(a, b) == (a.lower() == b.lower())
    assert equal_nocase(a, a.swapcase())
    assert is_nocase(a, b.lower()) == (a.lower() == b.lower())


@given(st.binary(max_size=20), st.integers(0, 127))
def test_find_gives_the_first_place_or_minus_one(a: bytes, c: int) -> None:
    assert find(a, c) == a.find(bytes([c]))


@given(LISTS)
def test_a_comma_list_is_split_and_trimmed_without_its_empty_elements(text: bytes) -> None:
    expected = [part.strip(b" \t") for part in text.split(b",")]
    assert tokens(text) == [part for part in expected if part]
    assert trim(text) == text.strip(b" \t")


@given(LISTS, st.sampled_from([b"a", b"b", b"aa", b"ab", b"a b"]))
def test_a_list_has_a_token_whatever_its_case(text: bytes, token: bytes) -> None:
    assert has_token(text, token) == (token in [part.strip(b" \t").lower() for part in text.split(b",")])


@given(st.one_of(U64, st.integers(2**64 - 3, 2**64 + 3), st.integers(0, 10**25)), st.integers(0, 30))
def test_numbers_are_read_up_to_64_bits_and_no_further(number: int, zeros: int) -> None:
    text = b"0" * zeros + str(number).encode()
    assert parse_number(text) == (number if number < 2**64 else None)


@given(st.binary(max_size=6))
def test_only_digits_are_a_number(text: bytes) -> None:
    assert (parse_number(text) is not None) == (text != b"" and all(48 <= c <= 57 for c in text))


@given(U64)
def test_numbers_are_written_in_full(v: int) -> None:
    assert decimal(v) == str(v).encode()
    assert hexadecimal(v) == f"{v:x}".encode()
