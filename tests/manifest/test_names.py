"""Names as they stand in paths."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.manifest.names import folded, slug


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SKU-1", "SKU-1"),
        ("a/b", "a-b"),
        ("a#2", "a-2"),
        ("white marble", "white-marble"),
        ("a \t/ b", "a-b"),
        ("a--b", "a--b"),
        ("C:\\x", "C-x"),
        ("16:9", "16-9"),
        (".hidden", "-hidden"),
        ("..", "--"),
        ("a.", "a-"),
        ("v1.10", "v1.10"),
        ("con", "con-"),
        ("NUL.txt", "NUL-.txt"),
        ("COM¹", "COM¹-"),
        ("console", "console"),
        ("größe", "größe"),
        ("e\u0301", "é"),
        ("日本 語", "日本-語"),
        ("a\u200bb", "a-b"),
        ("a\u202eb", "a-b"),
        ("\x00", "-"),
        ("", "-"),
        ('?*<>|"', "-"),
    ],
)
def test_a_slug_is_the_nearest_safe_spelling(text: str, expected: str) -> None:
    assert slug(text) == expected


@given(st.text(max_size=200))
def test_a_slug_is_safe_whatever_the_text(text: str) -> None:
    made = slug(text)
    assert made
    assert len(made) <= 80
    assert len(made.encode()) <= 200
    assert not set(made) & set('/\\#:*?"<>|')
    assert not any(character.isspace() or unicodedata.category(character)[0] == "C" for character in made)
    assert made[0] != "."
    assert made[-1] != "."
    assert made == unicodedata.normalize("NFC", made)


@given(st.text(max_size=200))
def test_a_slug_is_its_own_slug(text: str) -> None:
    assert slug(slug(text)) == slug(text)


def test_long_texts_that_begin_alike_keep_apart() -> None:
    one, other = slug("a" * 100 + "1"), slug("a" * 100 + "2")
    assert len(one) == 80
    assert one != other


def test_names_that_differ_in_case_fold_alike() -> None:
    assert folded("Größe") == folded("GRÖSSE")
    assert folded("a") != folded("b")
