"""YAML text as a tree with places."""

import math

import pytest
import yaml

from pipeline.domain.errors import ManifestError
from pipeline.manifest.places import Place
from pipeline.manifest.scalars import Scalar, as_json, resolve
from pipeline.manifest.yaml_text import decoded, parse, parse_value

LOADERS = [yaml.CSafeLoader, yaml.SafeLoader]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("16:9", "16:9"),
        ("1:30:00", "1:30:00"),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("1e3", 1000.0),
        ("0o14", 12),
        ("0xff", 255),
        ("014", 14),
        ("+1", 1),
        ("-0.5", -0.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("~", None),
        ("null", None),
        ("", None),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("1e", "1e"),
        ("1.2.3", "1.2.3"),
        ("-", "-"),
        ("9" * 500, "9" * 500),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(written: str, meant: object) -> None:
    found = resolve(written)
    if isinstance(meant, str):
        assert found == meant
    else:
        assert isinstance(found, Scalar)
        assert found.value == meant
        assert type(found.value) is type(meant)
        assert found.text == written


def test_numbers_print_as_written_and_count_as_numbers() -> None:
    tree = as_json(parse_value("{a: 1.10, b: 007, c: 1e3, d: 5}"))
    assert isinstance(tree, dict)
    assert {name: str(value) for name, value in tree.items()} == {"a": "1.10", "b": "007", "c": "1e3", "d": "5"}
    assert tree == {"a": 1.1, "b": 7, "c": 1000.0, "d": 5}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\na: 2", "2:1: 'a' is given twice (it is already in line 1)"),
        ("a: {b: 1, 'b': 2}", "1:11: 'b' is given twice (it is already in line 1)"),
        ("a:\n\t- b", "2:1: a tab stands"),
        ("a: b: c", "1:5: a ':' stands"),
        ("a: 'x\nb: 1", "2:5: a quote is never closed"),
        ("a: [1, 2\nb: 1", "2:2: a ',' or the closing bracket"),
        ("a: {{ x }}", "1:5: a key must be one word"),
        ("a: !env X", "1:4: custom tags"),
        ("a: !!python/name:os.system", "1:4: custom tags"),
        ("!x\na: 1", "1:1: custom tags"),
        ("a: &a [*a]", "1:8: *a stands inside"),
        ("a: &a {b: {<<: *a}}", "1:16: *a stands inside"),
        ("a: *b", "1:4: *b repeats nothing"),
        ("a: {<<: 3}", "1:9: '<<' merges mappings only"),
        ("a: {<<: [3]}", "1:9: '<<' merges mappings only"),
        ("a: 1\n---\nb: 2", "2:1: a second document"),
        ("[" * 150, "1:101: is nested more than 100 deep"),
        ("a: \x01", "1:4: character U+0001"),
        ("a: @b", "1:4: a value cannot start"),
    ],
)
def test_what_is_no_manifest_is_told_at_its_place(text: str, place: str, loader: type) -> None:
    try:
        _, complaints = parse(text, "m.yaml", loader)
        (where, what, instead) = complaints[0]
        said = f"{where.file}:{where.line}:{where.column}: {what} ({instead})"
    except ManifestError as error:
        (problem,) = error.problems
        said = str(problem)
    assert said.startswith(f"m.yaml:{place}")


@pytest.mark.parametrize("loader", LOADERS)
def test_both_loaders_read_the_same(loader: type) -> None:
    document, complaints = parse("# note\nbase: &b {x: [1, no], y: ~}\nuse: {<<: *b, z: 'é'}\n", "m", loader)
    assert not complaints
    assert as_json(document.data) == {
        "base": {"x": [1, "no"], "y": None},
        "use": {"x": [1, "no"], "y": None, "z": "é"},
    }
    assert document.place(("base", "x", 1)) == Place("m", 2, 18)
    assert document.key_place(("use", "z")) == Place("m", 3, 15)
    assert document.place(("use", "x", 0)) == Place("m", 3, 11)


def test_what_is_merged_gives_way_to_what_is_written_and_to_earlier_merges() -> None:
    text = "one: &one {a: 1, b: 1}\ntwo: &two {b: 2, c: 2}\nall: {<<: [*one, *two], c: 3}"
    tree = as_json(parse(text, "m")[0].data)
    assert isinstance(tree, dict)
    assert tree["all"] == {"a": 1, "b": 1, "c": 3}


@pytest.mark.parametrize("shape", ["list", "merge"])
def test_alias_bombs_are_refused_before_they_grow(shape: str) -> None:
    lines = ["a0: &a0 {k0: x}" if shape == "merge" else "a0: &a0 [x, x]"]
    for level in range(1, 30):
        twice = f"*a{level - 1}, *a{level - 1}"
        lines.append(
            f"a{level}: &a{level} " + (f"{{<<: [{twice}], k{level}: x}}" if shape == "merge" else f"[{twice}]")
        )
    with pytest.raises(ManifestError, match="aliases repeat more than 100,000 values"):
        parse("\n".join(lines), "m")


def test_bytes_that_are_no_utf_8_are_told_at_their_place() -> None:
    with pytest.raises(ManifestError) as error:
        decoded("a: é\nb: ".encode() + b"\xe9", "m.yaml")
    assert str(error.value) == "m.yaml:2:4: byte 0xe9 is not UTF-8 (save the file as UTF-8)"
    assert decoded(b"\xef\xbb\xbfa", "m.yaml") == "a"
