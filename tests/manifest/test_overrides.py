"""`--set PATH=VALUE`."""

import pytest

from tests.manifest.world import Folder, shop

TEXT = shop(
    "prompt: p\nn: 1\nparams: {quality: high}\nmatrix: {c: [red, blue]}\n"
    "chain: [{id: a, prompt: keep, params: {quality: high}}, {id: b, prompt: keep}]"
)


def test_any_value_can_be_set(folder: Folder) -> None:
    made = folder.load(
        TEXT,
        sets=[
            "shots.hero.n=3",
            "shots.hero.matrix.c=[green]",
            "shots.hero.chain.1.prompt=keep: all of it",
            "shots.hero.chain[0].id='z'",
            "text.more=Words = more",
            "budget.per_run=2 USD",
            "name=007",
        ],
    )
    (shot,) = made.shots
    assert (shot.n, [value.key for value in shot.axes[0].values]) == (3, ["green"])
    assert [(step.id, step.prompt.source) for step in shot.chain] == [("z", "keep"), ("b", "keep: all of it")]
    assert (made.text["more"], made.budget.per_run, made.name) == ("Words = more", 2_000_000, "007")


def test_what_is_set_for_a_shots_params_wins_over_every_layer(folder: Folder) -> None:
    (shot,) = folder.load(TEXT, sets=["shots.hero.params.quality=low", "shots.hero.params.size=~"]).shots
    assert shot.set_params == {"quality": "low", "size": None}
    (shot,) = folder.load(TEXT, sets=["defaults.params.quality=low", "shots.hero.params={size: 1K}"]).shots
    assert shot.set_params == {"quality": "low", "size": "1K"}
    (shot,) = folder.load(TEXT, sets=["shots.hero.chain.1.params.quality=low"]).shots
    assert (shot.set_params, shot.chain[1].params) == ({}, {"quality": "low"})


def test_a_key_with_a_dot_in_it_is_found(folder: Folder) -> None:
    text = shop("prompt: p\nmatrix: {c: {v1.5: old}}") + "models: {gpt-2.5: {model: gpt-image-2}}\n"
    made = folder.load(
        text, sets=["shots.hero.matrix.c.v1.5=new", "models.gpt-2.5.price=1", 'models."gpt-2.5".params.q=1']
    )
    assert made.shots[0].axes[0].values[0].text == "new"
    assert made.models["gpt-2.5"].params == {"q": 1}


PROBLEMS = [
    ("shots.hero.n", "is not PATH=VALUE (write --set shots.hero.params.quality=low)"),
    ("=3", "is not PATH=VALUE"),
    ("shots..n=1", "the path cannot be read"),
    ("shots.hero.=1", "the path cannot be read"),
    ("shots.heor.n=1", "there is no 'heor' in shots (did you mean 'hero'?)"),
    ("shots.hero.m=1", "unknown key 'm'"),
    ("shots.hero.parms.quality=low", "unknown key 'parms' (did you mean 'params'?)"),
    ("badget.per_run=1", "unknown key 'badget' (did you mean 'budget'?)"),
    ("shots.hero.chain.2.prompt=x", "the list has 2 entries, and '2' is none of them (count from 0)"),
    ("shots.hero.n=[", "the value is not YAML: a value is expected"),
    ("shots.hero.n=two", "'n' must be a whole number, not 'two'"),
    ("shots.hero.prompt={{ x }}", "nothing is called 'x' here"),
    ("shots.hero.prompt='{{ x }}'", "nothing is called 'x' here"),
    ("shots.hero.params.style=1", "gpt-image-2 and style"),
    ("defaults.params.style=1", "gpt-image-2 and style"),
    ("shots.hero.params={style: 1}", "gpt-image-2 and style"),
    ("budget.per_run=1 EUR", "'per_run' '1 EUR' is not an amount in USD"),
]


@pytest.mark.parametrize(("given", "said"), PROBLEMS)
def test_what_cannot_be_set_is_told_with_the_option(folder: Folder, given: str, said: str) -> None:
    (problem,) = folder.problems(TEXT, sets=[given])
    assert problem.startswith(f"--set {given}: {said}")
