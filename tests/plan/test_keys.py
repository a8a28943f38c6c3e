"""Keys: a renamed key is a bill, so some are pinned; what decides is in them and nothing else is."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.capability import Limits
from pipeline.domain.digest import Digest, Json, digest_of
from pipeline.domain.money import MicroUsd
from pipeline.domain.step import KeyParts, Protocol, Role, StepKey, step_key
from pipeline.manifest.model import Manifest, Shot
from pipeline.plan import make_plan, plan_key
from pipeline.plan.keys import KeyInputs, KeyMaker
from tests.plan.making import FOLDER, Pictures, PriceList, axis, edit, image, manifest, model, provider, shot, value

PHOTO, MASK, PARENT = digest_of(b"photo"), digest_of(b"mask"), digest_of(b"parent")
SIZED: dict[str, Json] = {"size": "1024x1024", "quality": "high"}


def parts(
    *,
    prompt: str = "A red cup.",
    params: dict[str, Json] | None = None,
    inputs: KeyInputs = (),
    candidate: int = 1,
    model_name: str = "gpt-image-2",
    protocol: Protocol = "images",
) -> KeyParts:
    return KeyParts(
        protocol=protocol, model=model_name, params=params or {}, prompt=prompt, inputs=inputs, candidate=candidate
    )


GOLDEN = [
    (parts(), "eb53ab8d07a824797f0687aa59607e0a68f44735cca19d2a4ad437a4081b03bf"),
    (parts(params=SIZED), "f2ab04bfb6d9c5f321e981a544a9e4175b777709a545b56c14d0408708963bf4"),
    (parts(candidate=2), "a2d9df1d0864d565ed89a8f808b6662e54cee0a66d0a6d2b69e605ba2038b830"),
    (parts(inputs=(("image", PHOTO),)), "072877dcde48cfb24d5bd68e98bf11e24be4ffc93351045f95b3236d7c781191"),
    (
        parts(inputs=(("image", PHOTO), ("mask", MASK)), params={"background": "transparent"}),
        "72f3f3ddd1b485f3b2dab20012efcb4c5fd4bba4464cd5c0412b99b849cb12c7",
    ),
    (
        parts(prompt="Add a ribbon.", inputs=(("image", PARENT), ("image", PHOTO)), params=SIZED),
        "94833ee692814ba69d0594ee15c10fbfda9f8f58444c7be9222fd98ed791898a",
    ),
    (
        parts(
            protocol="chat",
            model_name="google/gemini-3-pro-image",
            params={"aspect_ratio": "1:1", "image_size": "1K"},
        ),
        "56582aa105878bdc70375e1c4bf0b2b162838424689d9a35b5bf0b3a5703e6d9",
    ),
    (
        parts(
            prompt='红色的杯子 "ü"\n\\ \u2028 \U0001f3a8',
            params={
                "n": 4,
                "stream": True,
                "user": "me",
                "partial_images": 2,
                "response_format": "url",
                "output_compression": 0,
                "seed": 1.5,
                "nothing": None,
            },
        ),
        "99788ed49553294e04fb5ea79987c30b9f879a634e51c8e46b0cbfc23ab467f0",
    ),
]


@pytest.mark.parametrize(("made_of", "key"), GOLDEN)
def test_these_keys_never_change(made_of: KeyParts, key: str) -> None:
    assert step_key(made_of) == key
    maker = KeyMaker(made_of.protocol, made_of.model, made_of.params)
    assert maker.key(made_of.prompt, made_of.inputs, made_of.candidate) == key


def test_a_key_is_the_hash_of_canonical_json_that_anyone_can_take() -> None:
    written = '{"candidate":1,"key_version":1,"model":"gpt-image-2","prompt":"A red cup.","protocol":"images"}'
    assert step_key(parts()) == hashlib.sha256(written.encode()).hexdigest()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
PARAMS = st.dictionaries(st.text(max_size=8) | st.sampled_from(["n", "size", "user", "stream"]), JSON, max_size=5)
INPUTS = st.lists(st.tuples(st.sampled_from(("image", "mask")), st.binary(max_size=2).map(digest_of)), max_size=3).map(
    tuple
)
WILD = st.text(alphabet=st.characters(), max_size=60) | st.sampled_from(
    ["\ud83c\udfa8", "\ud83c", '"', "\\", "\x00", ""]
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(("images", "chat")), WILD, PARAMS, st.lists(st.tuples(WILD, INPUTS, st.integers(1, 3)), max_size=5)
)
def test_the_fast_key_is_the_defined_key(
    protocol: Protocol,
    name: str,
    params: dict[str, Json],
    asked: list[tuple[str, tuple[tuple[Role, Digest], ...], int]],
) -> None:
    maker = KeyMaker(protocol, name, params)
    for prompt, inputs, candidate in asked:
        whole = parts(
            protocol=protocol, model_name=name, params=params, prompt=prompt, inputs=inputs, candidate=candidate
        )
        assert maker.key(prompt, inputs, candidate) == step_key(whole)


def test_a_prompt_that_looks_like_the_machinery_gets_the_defined_key() -> None:
    for hostile in ("\x00the prompt goes here\x00", '","protocol":"chat', "the prompt goes here"):
        maker = KeyMaker("images", hostile, {hostile: hostile})
        whole = parts(model_name=hostile, params={hostile: hostile}, prompt=hostile)
        assert maker.key(hostile, (), 1) == step_key(whole)


FILES = {"/jobs/photos/1.jpg": b"one", "/jobs/photos/2.jpg": b"two", "/jobs/night.png": b"night"}
MOVED = {"/jobs/moved/1.jpg": b"one", "/jobs/moved/2.jpg": b"two", "/jobs/night.png": b"night"}


def hero(
    *,
    rows: tuple[str, ...] = ("1", "2"),
    folder: str = "photos",
    axis_name: str = "product",
    prompt: str = "Cup {title} on {scene}.",
    n: int = 1,
    per_request: int = 1,
    path: str | None = None,
    params: dict[str, Json] | None = None,
    edit_prompt: str = "At night.",
    candidates_of: str = "hero",
) -> Shot:
    products = axis(
        axis_name, *(value(key, title=f"T{key}", photo=f"{folder}/{key}.jpg") for key in rows), kind="source"
    )
    said = prompt.format(title=f"{{{{ {axis_name}.title }}}}", scene="{{ scene }}")
    return shot(
        candidates_of,
        products,
        axis("scene", value("m", text="marble")),
        prompt=said,
        images=[f"{{{{ {axis_name}.photo }}}}"],
        n=n,
        per_request=per_request,
        path=path,
        params=SIZED if params is None else params,
        chain=[edit("night", edit_prompt, images=["night.png"])],
    )


def keys_of(made: Manifest, files: dict[str, bytes] | None = None) -> set[StepKey]:
    """The keys of all base pictures and, as if each parent were a picture of its name, of all edits."""
    found: set[StepKey] = set()
    for cell in make_plan(made, Pictures(FILES | (files or {})), PriceList()).cells():
        for chain in cell.chains:
            parent: Digest | None = None
            for step in chain:
                assert not step.problem
                key = step_key(step.parts(parent))
                parent = image(key).digest
                found.add(key)
    return found


BEFORE = keys_of(manifest(hero()))


def limits_changed() -> Manifest:
    made = manifest(hero())
    spec = replace(provider("fast", limits=Limits(concurrency=99)), base_url="https://elsewhere.example/v1")
    models = {"main": replace(made.models["main"], price=MicroUsd(5))}
    return replace(made, providers={"fast": spec}, models=models)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda: manifest(hero(axis_name="article")), id="an axis renamed"),
        pytest.param(lambda: manifest(hero(rows=("2", "1"))), id="rows shuffled"),
        pytest.param(lambda: manifest(hero(candidates_of="renamed")), id="the shot renamed"),
        pytest.param(limits_changed, id="limits, price and URL"),
        pytest.param(lambda: manifest(hero(path="{{ product }}/{{ scene.key }}")), id="path"),
        pytest.param(lambda: manifest(hero(per_request=4)), id="per_request"),
        pytest.param(lambda: manifest(hero(params={**SIZED, "response_format": "url", "user": "x"})), id="travel"),
        pytest.param(lambda: manifest(hero(params={**SIZED, "moderation": None})), id="a parameter of null"),
        pytest.param(lambda: manifest(hero(), folder=Path("/elsewhere")), id="the folder moved"),
        pytest.param(lambda: replace(manifest(hero()), name="other"), id="the manifest renamed"),
    ],
)
def test_what_decides_nothing_changes_no_key(change: Callable[[], Manifest]) -> None:
    elsewhere = {name.replace(str(FOLDER), "/elsewhere"): data for name, data in FILES.items()}
    assert keys_of(change(), elsewhere) == BEFORE


def test_a_moved_photo_changes_no_key() -> None:
    assert keys_of(manifest(hero(folder="moved")), MOVED) == BEFORE


def test_raising_n_keeps_every_key_and_adds_the_new_candidates() -> None:
    more = keys_of(manifest(hero(n=3)))
    assert more > BEFORE
    assert len(more) == 3 * len(BEFORE)


@pytest.mark.parametrize(
    ("change", "files"),
    [
        pytest.param(lambda: manifest(hero(prompt="Mug {title} on {scene}.")), {}, id="prompt"),
        pytest.param(lambda: manifest(hero(params={**SIZED, "quality": "low"})), {}, id="a parameter"),
        pytest.param(lambda: manifest(hero(params={"size": "1024x1024"})), {}, id="a parameter gone"),
        pytest.param(lambda: manifest(hero(), models=[replace(model("main"), model="other")]), {}, id="model"),
        pytest.param(lambda: manifest(hero(), models=[replace(model("main"), protocol="chat")]), {}, id="protocol"),
        pytest.param(
            lambda: manifest(hero()), {"/jobs/photos/1.jpg": b"ONE", "/jobs/photos/2.jpg": b"TWO"}, id="photos"
        ),
    ],
)
def test_what_decides_changes_every_key(change: Callable[[], Manifest], files: dict[str, bytes]) -> None:
    assert keys_of(change(), files).isdisjoint(BEFORE)


def test_an_edit_that_changes_leaves_its_parent_alone() -> None:
    after = keys_of(manifest(hero(edit_prompt="At noon.")))
    assert len(after & BEFORE) == 2
    assert len(after - BEFORE) == 2
    assert len(keys_of(manifest(hero()), {"/jobs/night.png": b"other"}) & BEFORE) == 2


def test_a_plan_key_names_a_step_by_its_parents_plan_key() -> None:
    base, night = next(make_plan(manifest(hero()), Pictures(FILES), PriceList()).cells()).chains[0]
    planned = plan_key(night, plan_key(base))
    assert plan_key(base) == step_key(base.parts())
    assert planned == plan_key(night, plan_key(base))
    assert planned != plan_key(night, StepKey("0" * 64))
    assert planned != step_key(night.parts(PARENT))
    assert planned != step_key(night.parts(Digest(plan_key(base))))
    with pytest.raises(ValueError, match="no digest"):
        plan_key(night)
