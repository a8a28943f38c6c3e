"""Whatever is written, a manifest is understood or refused in lines a person can act on."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.manifest.test_loading import MANY
from tests.manifest.test_values import EVERYTHING
from tests.manifest.world import Folder

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["{{ x }}", "{{", "${X}", "env:X", "a/b", "..", "main", "products", "1e400", "0x", "\ud800"]),
    st.just([]),
    st.just({}),
    st.lists(st.sampled_from(["a", 1, None, "{{"]), max_size=3),
    st.dictionaries(
        st.sampled_from(["a", "source", "text", "key", "model", "prompt"]), st.sampled_from(["a", 1, None])
    ),
)
BASE = yaml.safe_load(EVERYTHING.replace("preset: clauddy ", "preset: newapi "))
CALM = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def nodes(value: object, trail: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    if trail:
        yield trail
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from nodes(entry, (*trail, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from nodes(entry, (*trail, index))


TRAILS = list(nodes(BASE))


def changed(trail: tuple[object, ...], value: object) -> object:
    made = copy.deepcopy(BASE)
    here = made
    for step in trail[:-1]:
        here = here[step]
    here[trail[-1]] = value
    return made


@pytest.fixture
def shop_folder(folder: Folder) -> Folder:
    folder.write("feed/products.csv", "sku,title,tier,photo,mask,active\nSKU-1,Cup,A,p.png,,yes\n")
    for name in ("refs/style.png", "refs/night.png"):
        folder.write(name, "")
    return folder


@CALM
@given(st.sampled_from(TRAILS), JUNK)
def test_any_value_anywhere_is_understood_or_refused(
    shop_folder: Folder, trail: tuple[object, ...], value: object
) -> None:
    text = yaml.safe_dump(changed(trail, value), allow_unicode=True)
    for problem in shop_folder.problems(text.encode("utf-8", "replace")):
        assert "\n" not in problem
        assert "Traceback" not in problem


@CALM
@given(st.integers(0, len(MANY)), st.text(alphabet="{}[]:,-#&*!|>'\"%@`\t\n ~<a1", max_size=6))
def test_any_text_is_understood_or_refused(folder: Folder, position: int, inserted: str) -> None:
    folder.problems(MANY[:position] + inserted + MANY[position:])


@CALM
@given(st.sampled_from(TRAILS), st.text(max_size=12))
def test_any_override_is_understood_or_refused(shop_folder: Folder, trail: tuple[object, ...], value: str) -> None:
    path = ".".join(str(step) for step in trail)
    text = EVERYTHING.replace("preset: clauddy ", "preset: newapi ")
    shop_folder.problems(text, sets=[f"{path}={value}"])


@CALM
@given(st.sampled_from([".csv", ".tsv", ".json", ".jsonl", ".yaml"]), st.binary(max_size=60) | st.text(max_size=60))
def test_any_feed_is_understood_or_refused(folder: Folder, suffix: str, content: bytes | str) -> None:
    folder.write(f"p{suffix}", content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
    source = f"sources: {{s: {{file: p{suffix}, key: k, where: k}}}}"
    folder.problems(
        f"version: 1\nname: x\n{source}\nshots: {{a: {{matrix: {{p: {{source: s}}}}, prompt: '{{{{ p.k }}}}'}}}}"
    )


def test_the_example_is_sound(shop_folder: Folder) -> None:
    assert shop_folder.problems(yaml.safe_dump(BASE)) == []
    assert Path(shop_folder.root / "m.yaml").exists()
