"""What a sound manifest says, as a value."""

from datetime import time
from pathlib import Path

import pytest

from pipeline.domain.digest import digest_of
from pipeline.domain.money import MicroUsd
from pipeline.domain.step import Accept
from pipeline.manifest.model import Budget, Manifest, OutputSpec, RunSpec, SecretRef, Shot
from pipeline.manifest.template import context
from tests.manifest.world import Folder, shop

EVERYTHING = (Path(__file__).parent / "examples" / "everything.yaml").read_text()


@pytest.fixture
def everything(folder: Folder) -> Manifest:
    rows = "SKU-1,Cup,A,p.png,,yes\nSKU-2,Mug,C,p.png,,yes\nSKU-3,Jug,A,p.png,,no\n"
    folder.write("feed/products.csv", f"sku,title,tier,photo,mask,active\n{rows}")
    for name in ("refs/style.png", "refs/night.png"):
        folder.write(name, "")
    # the small catalogue knows no clauddy
    return folder.load(EVERYTHING.replace("preset: clauddy ", "preset: newapi "))


def shot_of(folder: Folder, text: str, **options: str) -> Shot:
    (shot,) = folder.load(shop(text)).shots
    return shot


def test_the_whole_format_is_understood(everything: Manifest, folder: Folder) -> None:
    assert everything.name == "product-shots"
    assert everything.folder == folder.root
    assert everything.digest == digest_of((folder.root / "m.yaml").read_bytes())
    assert everything.budget == Budget(
        per_run=MicroUsd(25_000_000),
        per_asset=MicroUsd(1_000_000),
        per_month=MicroUsd(300_000_000),
        max_exposure=MicroUsd(5_000_000),
        max_images=400,
        unpriced="refuse",
    )
    assert everything.run == RunSpec(deadline=time(5, 30), timezone="Europe/Berlin", network_wait=1800)
    assert everything.output == OutputSpec(sidecar=False, xmp=False)
    (notify,) = everything.notify
    assert notify.webhook == SecretRef(kind="env", name="SLACK_URL")
    assert notify.when == ("failed", "refused", "unknown", "budget", "error")
    guard = everything.sources["products"].guard
    assert guard is not None
    assert (guard.min_rows, guard.max_changed, guard.max_removed) == (100, 0.25, 0.05)


def test_a_provider_is_its_profile_with_the_manifests_words_over_it(everything: Manifest) -> None:
    clauddy, banana = everything.providers["clauddy"], everything.providers["banana"]
    assert clauddy.base_url == clauddy.profile.base_url == "https://clauddy.com/v1"
    assert clauddy.api_key == SecretRef(kind="env", name="CLAUDDY_API_KEY")
    assert (clauddy.timeout.connect, clauddy.timeout.total, clauddy.timeout.idle) == (10, 420, 120)
    assert (clauddy.limits.concurrency, clauddy.limits.images_per_minute) == (8, 50)
    assert (clauddy.retry.attempts, clauddy.retry.first_wait, clauddy.retry.longest_wait) == (5, 2, 90)
    assert (clauddy.on_unknown, clauddy.max_buys, clauddy.stream, clauddy.space) == ("hold", 2, "auto", "")
    assert (banana.protocol, banana.base_url) == ("chat", "https://openrouter.ai/api/v1")
    assert "sketch" in everything.providers
    assert everything.models["rival"].protocol == "chat"
    assert everything.models["main"].params["quality"] == "high"


def test_axes_of_all_four_kinds(everything: Manifest) -> None:
    product, scene, colour, model = everything.shots[0].axes
    assert (product.kind, product.source, [value.key for value in product.values]) == (
        "source",
        "products",
        ["SKU-1", "SKU-2"],
    )
    assert scene.kind == "mapping"
    assert [(value.key, value.text, dict(value.fields)) for value in scene.values] == [
        ("marble", "white marble, soft daylight", {}),
        ("linen", "beige linen", {"text": "beige linen", "mood": "warm"}),
    ]
    assert (colour.kind, [value.text for value in colour.values]) == ("list", ["red", "teal"])
    assert (model.kind, [value.key for value in model.values]) == ("model", ["main", "rival"])


def test_the_cells_of_a_shot(everything: Manifest) -> None:
    hero, cutout = everything.shots
    assert hero.zip == (("scene", "colour"),)
    assert hero.where is not None
    assert hero.exclude == ({"scene": "linen", "model": "rival"},)
    ((product, scene, colour, model),) = hero.include
    assert product.fields["title"] == "Cup"
    assert (scene.text, colour.key, model.key) == ("white marble, soft daylight", "black", "main")
    assert (hero.model, cutout.model) == (None, "main")
    assert (hero.n, hero.per_request, [step.id for step in hero.chain]) == (2, 1, ["ribbon", "night"])
    assert hero.accept == Accept(size="any", format="any")
    assert cutout.mask is not None
    assert cutout.params == {"background": "transparent"}


def test_values_of_a_list_keep_how_they_are_written(folder: Folder) -> None:
    shot = shot_of(folder, "prompt: '{{ c }}'\nmatrix: {c: [no, 007, 1.10, 1e3, 16:9, true, 2026-01-01, 'x']}")
    values = shot.axes[0].values
    assert [value.key for value in values] == ["no", "007", "1.10", "1e3", "16:9", "true", "2026-01-01", "x"]
    assert [value.raw for value in values] == ["no", 7, 1.1, 1000.0, "16:9", True, "2026-01-01", "x"]
    assert values[4].slug == "16-9"


def test_parameters_are_plain_numbers_and_fields_print_as_written(folder: Folder) -> None:
    shot = shot_of(
        folder, "prompt: '{{ a.f }}'\nparams: {n: 007, x: 1.10, y: [1e3], z: yes}\nmatrix: {a: {k: {f: 1.10}}}"
    )
    assert shot.params == {"n": 7, "x": 1.1, "y": [1000.0], "z": "yes"}
    assert [str(value) for value in shot.params.values()] == ["7", "1.1", "[1000.0]", "yes"]
    assert shot.prompt.render(context({"a": shot.axes[0].values[0]}, {})) == "1.10"
    (shot,) = folder.load(shop("prompt: p"), sets=["shots.hero.params.x=1.10"]).shots
    assert str(shot.set_params["x"]) == "1.1"


def test_a_number_is_text_where_text_is_expected(folder: Folder) -> None:
    text = "version: 1\nname: 2026\ntext: {n: 1.10}\nshots: {1: {prompt: 007, matrix: {2: [a]}}}"
    assert folder.problems(text) == ["m.yaml:4:35: an axis cannot be called '2' (choose another word)"]
    made = folder.load(text.replace("{2:", "{a:"))
    assert (made.name, made.text["n"], made.shots[0].name) == ("2026", "1.10", "1")
    assert made.shots[0].prompt.source == "007"


def test_defaults_are_what_a_shot_does_not_say(folder: Folder) -> None:
    folder.write("a.png", "")
    defaults = (
        "defaults: {prompt: 'keep {{ c }}', n: 3, matrix: {c: [x]}, images: [a.png], path: '{{ c }}', "
        "chain: [{id: e, prompt: keep}], accept: {size: exact}, params: {q: 1}, where: 'true'}\n"
    )
    shots = (
        "shots:\n  bare: {}\n"
        "  own: {prompt: p, n: 1, images: [], chain: [], accept: {format: exact}, params: {q: 2}, path: y}\n"
    )
    bare, own = folder.load(f"version: 1\nname: x\n{defaults}{shots}").shots
    assert (bare.n, len(bare.images), len(bare.chain), bare.accept) == (3, 1, 1, Accept(size="exact"))
    assert bare.axis("c") is not None
    assert bare.where is not None
    assert (own.n, own.images, own.chain, own.accept) == (1, (), (), Accept(size="exact", format="exact"))
    assert (own.default_params, own.params) == ({"q": 1}, {"q": 2})
    assert bare.params == {}


def test_a_step_may_say_its_own_params_accept_and_model(folder: Folder) -> None:
    step = "{id: a, prompt: keep, params: {q: ~, r: 1}, accept: {format: exact}, model: gpt-image-2}"
    shot = shot_of(folder, f"prompt: p\naccept: {{size: exact}}\nchain: [{step}]")
    (made,) = shot.chain
    assert made.params == {"q": None, "r": 1}
    assert made.accept == Accept(size="exact", format="exact")
    assert made.model == "gpt-image-2"


def test_empty_sections_count_as_left_out(folder: Folder) -> None:
    empty = "providers:\nmodels:\nbudget:\nrun: {stop_on: }\nnotify:\n"
    text = f"version: 1\nname: x\n{empty}shots: {{a: {{prompt: p, matrix: , params: }}}}"
    assert folder.load(text).shots[0].axes == ()


def test_anchors_merges_and_places_for_anchors(folder: Folder) -> None:
    text = (
        "version: 1\nname: x\nx-look: &look {prompt: p, params: {q: 1}}\n"
        "shots:\n  a: *look\n  b: {<<: *look, prompt: q}\n"
    )
    one, other = folder.load(text).shots
    assert (one.prompt.source, other.prompt.source, other.params) == ("p", "q", {"q": 1})


def test_exclude_names_keys_by_text_value_or_key(folder: Folder) -> None:
    shot = shot_of(
        folder,
        "prompt: p\nmatrix: {n: [01, 2], s: {a: Alpha, b: {text: Beta, m: 1}}}\n"
        "exclude: [{n: 1, s: Alpha}, {n: [01, 2]}, {s.m: [1, 2]}, {s.key: b}]",
    )
    assert shot.exclude == ({"n": "01", "s": "a"}, {"n": ["01", "2"]}, {"s.m": [1, 2]}, {"s": "b"})


def test_include_may_bring_a_new_value(folder: Folder) -> None:
    shot = shot_of(
        folder,
        "prompt: p\nmatrix: {c: [red], s: {a: Alpha}}\ninclude: [{c: 007, s: Alpha}, {c: red, s: {z: Zeta}}]",
    )
    assert [[(value.key, value.text) for value in cell] for cell in shot.include] == [
        [("007", "007"), ("a", "Alpha")],
        [("red", "red"), ("z", "Zeta")],
    ]


def test_zip_takes_one_group_or_several(folder: Folder) -> None:
    axes = "prompt: p\nmatrix: {a: [1], b: [2], c: [3], d: [4]}\n"
    assert shot_of(folder, f"{axes}zip: [a, b]").zip == (("a", "b"),)
    assert shot_of(folder, f"{axes}zip: [[a, b], [c, d]]").zip == (("a", "b"), ("c", "d"))


def test_without_providers_everything_runs_on_the_sketch(folder: Folder) -> None:
    made = folder.load(shop("prompt: p"))
    assert made.shots[0].model == "main"
    assert made.models["main"].provider == "sketch"
    assert made.providers["sketch"].base_url == "embedded:"
    assert made.providers["sketch"].profile.free


def test_a_relative_path_of_the_manifest_is_kept_in_messages(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.root)
    folder.write("jobs/m.yaml", shop("prompt: p\nmatrix: {a: {source: s}}") + "sources: {s: {file: f.csv, key: k}}")
    folder.write("jobs/f.csv", "x\n1\n")
    here = Folder(root=Path("jobs"))
    (problem,) = here.problems((folder.root / "jobs/m.yaml").read_text())
    assert problem.startswith("f.csv:1:1: there is no column 'k'")
    made = here.load(shop("prompt: p"))
    assert made.folder == folder.root / "jobs"


HINTS = [
    ("prompt: p\nimages: [a.png]", "5:13: hint: this edit does not say what to keep"),
    ("prompt: keep\nimages: [a.png]\nchain: [{id: a, prompt: Add a ribbon}]", "7:29: hint: this edit does not say"),
    ("prompt: p\nparams: {mood: x}", "6:20: gpt-image-2 and mood"),
    ("prompt: p\nparams: {seed: 1}", "6:20: hint: gpt-image-2 and seed"),
    ("prompt: p\nparams: {user: '{{ c }}'}", "6:20: hint: parameters are sent as they are"),
    ("prompt: p\npath: x.png", "6:11: the extension follows the real bytes"),
]


@pytest.mark.parametrize(("shot", "said"), HINTS)
def test_what_is_legal_and_seldom_meant_is_a_warning(folder: Folder, shot: str, said: str) -> None:
    folder.write("a.png", "")
    (warning,) = folder.warnings(shop(shot))
    assert warning.startswith(f"m.yaml:{said}")


@pytest.mark.parametrize(
    "words", ["{{ text.keep }}", "Change only the sky", "Nur der Himmel, sonst nichts", "保持不变"]
)
def test_an_edit_that_says_what_to_keep_gets_no_hint(folder: Folder, words: str) -> None:
    assert folder.warnings(shop(f"prompt: p\nchain: [{{id: a, prompt: '{words}'}}]")) == []


def test_words_under_text_are_no_templates(folder: Folder) -> None:
    text = shop("prompt: p").replace("keep: Keep it.", "keep: '{{ x }}'")
    (warning,) = folder.warnings(text)
    assert warning.startswith("m.yaml:6:14: hint: words under text: are put in as they are")
