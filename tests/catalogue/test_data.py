"""The data is laid over key by key, and what is wrong with it is said at its line."""

import ast
from datetime import date
from pathlib import Path

import pytest

from pipeline.catalogue import DatedCatalogue, load_catalogue
from pipeline.domain.errors import ManifestError
from pipeline.ports import Catalogue

TODAY = date(2026, 11, 21)


def written(folder: Path, text: str) -> Path:
    file = folder / "catalogue.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def faults(folder: Path, text: str) -> list[str]:
    file = written(folder, text)
    with pytest.raises(ManifestError) as error:
        load_catalogue(user_file=file, today=TODAY)
    return [str(problem).replace(str(file), "FILE") for problem in error.value.problems]


def test_the_catalogue_is_what_the_other_rooms_ask_for(catalogue: DatedCatalogue) -> None:
    seam: Catalogue = catalogue
    assert list(seam.presets()) == ["openai", "clauddy", "dieyuyun", "openrouter", "newapi", "sketch"]
    assert seam.profile("acme") is None


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("openai", ("https://api.openai.com/v1", "images", None, "multipart", False)),
        ("clauddy", ("https://clauddy.com/v1", "images", None, "multipart", False)),
        ("dieyuyun", ("https://open.dieyuyun.com/v1", "images", "b64_json", "none", False)),
        ("openrouter", ("https://openrouter.ai/api/v1", "chat", None, "none", False)),
        ("newapi", ("", "images", None, "multipart", False)),
        ("sketch", ("embedded:", "images", None, "multipart", True)),
    ],
)
def test_a_preset_says_how_its_host_wants_to_be_spoken_to(
    catalogue: DatedCatalogue, preset: str, expected: tuple[object, ...]
) -> None:
    profile = catalogue.profile(preset)
    assert profile is not None
    said = (profile.base_url, profile.protocol, profile.response_format, profile.edits, profile.free)
    assert said == expected


def test_only_the_maker_is_known_to_stream_and_newapi_has_a_header_and_a_dialect_of_its_own(
    catalogue: DatedCatalogue,
) -> None:
    profiles = {name: catalogue.profile(name) for name in catalogue.presets()}
    assert [name for name, profile in profiles.items() if profile and profile.stream] == ["openai"]
    newapi, openrouter = profiles["newapi"], profiles["openrouter"]
    assert newapi is not None
    assert openrouter is not None
    assert (newapi.id_header, newapi.options) == ("x-oneapi-request-id", "newapi")
    assert (openrouter.options, openrouter.conversation) == ("openrouter", "picture")


def test_every_entry_says_when_it_was_looked_up_and_where(catalogue: DatedCatalogue) -> None:
    for preset in catalogue.presets():
        profile = catalogue.profile(preset)
        assert profile is not None
        assert profile.verified_at is not None
        assert profile.source
    for model in catalogue.models():
        entry = catalogue.entry(model)
        assert entry is not None
        assert entry.verified_at is not None
        assert entry.source
        assert entry.title


@pytest.mark.parametrize(
    ("written_as", "found"),
    [
        ("gpt-image-2", "GPT Image 2"),
        ("gpt-image-2-2026-04-21", "GPT Image 2"),
        ("gpt-image-2-2027-01-31", "GPT Image 2"),
        ("openai/gpt-image-2", "GPT Image 2"),
        ("gpt-image-2.5-flare-2026-09-08", "GPT Image 2.5 Flare"),
        ("gpt-image-2.6-sunburst-2027-02-02", "GPT Image 2.6 Sunburst"),
        ("gpt-image-1.5-2025-12-16", "GPT Image 1.5"),
        ("google/gemini-3-pro-image", "Nano Banana Pro"),
        ("models/gemini-3-pro-image", "Nano Banana Pro"),
        ("nano-banana-pro", "Nano Banana Pro"),
        ("google/gemini-3.1-flash-image-preview", "Nano Banana 2 (preview)"),
        ("gpt-image-2-mini", None),
        ("gpt-image-20", None),
        ("gpt-image-2-2026", None),
        ("GPT-IMAGE-2", None),
        ("google/gpt-image-2", None),
        ("chatgpt-image-latest-2026-01-01", None),
        ("/gpt-image-2", None),
        ("", None),
    ],
)
def test_a_model_is_found_by_id_alias_snapshot_and_vendor_and_not_by_a_mere_beginning(
    catalogue: DatedCatalogue, written_as: str, found: str | None
) -> None:
    entry = catalogue.entry(written_as)
    assert (entry.title if entry else None) == found


def test_an_entry_like_another_takes_its_keys_but_not_its_names_and_dates(catalogue: DatedCatalogue) -> None:
    flare, mini = catalogue.entry("gpt-image-2.5-flare"), catalogue.entry("gpt-image-1-mini")
    assert flare is not None
    assert flare.params["quality"].values == ("low", "medium", "high", "xhigh", "max", "auto")
    assert "xhigh" not in flare.params["quality"].instead
    assert flare.params["background"].doubtful == {}
    assert flare.snapshots == ("gpt-image-2.5-flare-2026-09-08",)
    assert flare.retires is None
    assert mini is not None
    assert mini.tokens is not None
    assert mini.tokens.partial == 100
    pro = catalogue.entry("gemini-3-pro-image-preview")
    assert pro is not None
    assert pro.aliases == ()


def test_a_users_file_changes_single_keys_and_adds_entries(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        version: 1
        providers:
          clauddy:
            stream: true
            limits: {images_per_minute: 5}
          shop:
            like: newapi
            base_url: https://gw.example/v1
            models:
              gpt-image-2-vip: {like: gpt-image-2, prices: {picture: 0.03, per_million: null}}
        models:
          gpt-image-2:
            aliases: [house-model]
            params: {quality: {values: [low, auto]}}
          acme-1:
            like: gpt-image-2
            retires: {date: 2026-11-25, by: [shop], successor: acme-2}
        """,
    )
    catalogue = load_catalogue(user_file=file, today=TODAY)
    clauddy, shop = catalogue.profile("clauddy"), catalogue.profile("shop")
    assert clauddy is not None
    assert shop is not None
    assert (clauddy.stream, clauddy.limits.images_per_minute, clauddy.base_url) == (True, 5, "https://clauddy.com/v1")
    assert (shop.options, shop.id_header, shop.name) == ("newapi", "x-oneapi-request-id", "shop")
    vip = catalogue.quote(shop, "gpt-image-2-vip", {}, prompt_chars=10, input_sizes=[], count=2)
    assert vip is not None
    assert (vip.expected, vip.source) == (60_000, "price")
    assert catalogue.entry("gpt-image-2-vip") is None
    bad = catalogue.check(shop, "gpt-image-2-vip", {"size": "1x1"}, images=0, mask=False)
    assert [finding.severity for finding in bad] == ["error"]
    lowered = catalogue.check(clauddy, "house-model", {"quality": "high"}, images=0, mask=False)
    assert [finding.instead for finding in lowered] == ["use auto"]
    ending = catalogue.check(shop, "acme-1", {}, images=0, mask=False)
    assert [finding.what for finding in ending] == ["acme-1 ends in 4 days (2026-11-25)"]


def test_a_manifests_words_win_over_the_users_file(tmp_path: Path) -> None:
    file = written(tmp_path, "providers: {clauddy: {base_url: https://a.example/v1, stream: true}}")
    extra = {"providers": {"clauddy": {"base_url": "https://b.example/v1"}}}
    profile = load_catalogue(extra, file, today=TODAY).profile("clauddy")
    assert profile is not None
    assert (profile.base_url, profile.stream) == ("https://b.example/v1", True)


def test_null_removes_a_key(tmp_path: Path) -> None:
    file = written(tmp_path, "models: {gpt-image-2: {params: {input_fidelity: null}, retires: null, prices: null}}")
    catalogue = load_catalogue(user_file=file, today=TODAY)
    entry = catalogue.entry("gpt-image-2")
    assert entry is not None
    assert "input_fidelity" not in entry.params
    assert entry.prices is None


def test_null_removes_an_entry(tmp_path: Path) -> None:
    catalogue = load_catalogue(
        user_file=written(tmp_path, "models: {dall-e-2: null}\nproviders: {newapi: null}"), today=TODAY
    )
    assert catalogue.entry("dall-e-2") is None
    assert catalogue.profile("newapi") is None


def test_an_empty_file_changes_nothing(tmp_path: Path, catalogue: DatedCatalogue) -> None:
    for text in ("", "# nothing yet\n", "version: 1\n", "models: {}\nproviders:\n"):
        assert load_catalogue(user_file=written(tmp_path, text), today=TODAY).presets() == catalogue.presets()


FAULTS = {
    "providers:\n  clauddy:\n    steam: true\n": ["FILE:3:5: providers.clauddy.steam: no such key"],
    "models:\n  gpt-image-2:\n    sizes:\n      rule: {multiple: sixteen}\n": [
        "FILE:4:14: models.gpt-image-2.sizes.rule.multiple: Input should be a valid integer"
    ],
    "provider:\n  a: {}\n": ["FILE:1:1: unknown key 'provider' (did you mean providers?)"],
    "version: 2\n": ["FILE:1:1: version 2 is not known (write version: 1)"],
    "models: [gpt-image-2]\n": ["FILE:1:1: models is a mapping of names to entries"],
    "models:\n  gpt-image-2: cheap\n": ["FILE:2:3: models.gpt-image-2 is a mapping"],
    "- models\n": ["FILE: a catalogue is a mapping (write providers: and models:)"],
    "models:\n  a: {mask: true, mask: false}\n": ["FILE:2:19: 'mask' is there twice (keep one of them)"],
    "models:\n  a: &x {mask: true}\n  b: *x\n": ["FILE:2:6: aliases are not understood here"],
    "models:\n  a: {title: !!python/name:os.system x}\n": ["FILE:2:14: 'x' cannot be read as"],
    "models:\n\ta: {}\n": ["FILE:2:1: broken YAML: found character"],
    "models: {a: {retires: {date: soon}}}\n": ["FILE:1:24: models.a.retires.date: Input should be a valid date"],
    "models:\n  a: {like: gpt-imag-2}\n": [
        "FILE:2:7: models.a is like 'gpt-imag-2', which is not there (did you mean gpt-"
    ],
    "models:\n  a: {like: b}\n  b: {like: a}\n": ["FILE:3:7: models.b is like 'a', which goes round"],
    "models:\n  a: {prices: {picture: -1}}\n": ["FILE:2:16: models.a.prices.picture"],
    "providers:\n  clauddy:\n    models:\n      gpt-image-2:\n        params: {quality: {verdict: maybe}}\n": [
        "FILE:5:28: providers.clauddy.models.gpt-image-2.params.quality.verdict: Input should be 'allowed', "
    ],
    "providers: {a: {nope: 1}}\nmodels: {b: {nope: 2}}\n": [
        "FILE:1:17: providers.a.nope: no such key",
        "FILE:2:14: models.b.nope: no such key",
    ],
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_is_said_at_its_line_and_column(tmp_path: Path, text: str) -> None:
    said = faults(tmp_path, text)
    assert len(said) >= len(FAULTS[text])
    for expected in FAULTS[text]:
        assert any(line.startswith(expected) for line in said), said


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        load_catalogue(user_file=tmp_path / "none.yaml", today=TODAY)
    file = tmp_path / "catalogue.yaml"
    file.write_bytes(b"models: \xff\xfe")
    with pytest.raises(ManifestError, match="UTF-8"):
        load_catalogue(user_file=file, today=TODAY)
    file.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ManifestError, match="1 MiB"):
        load_catalogue(user_file=file, today=TODAY)


def test_faults_of_a_manifests_own_data_are_said_at_the_manifests_lines(catalogue: DatedCatalogue) -> None:
    marks = {("models",): (40, 3), ("models", "a"): (41, 5), ("models", "a", "mask"): (42, 7)}
    with pytest.raises(ManifestError) as error:
        catalogue.overridden({"models": {"a": {"mask": "perhaps"}}}, "jobs/shop.yaml", marks)
    assert str(error.value).startswith("jobs/shop.yaml:42:7: models.a.mask: Input should be a valid boolean")
    with pytest.raises(ManifestError) as error:
        catalogue.overridden({"modles": {}})
    assert str(error.value) == "catalogue: unknown key 'modles' (did you mean models?)"


def test_no_model_is_named_outside_the_data(catalogue: DatedCatalogue) -> None:
    """A model that retires is one line of YAML to change, not twenty-two places in code."""
    house = Path(__file__).parents[2] / "pipeline"
    code = [house / "budget.py", *sorted((house / "catalogue").glob("*.py"))]
    literals = [
        (file.name, node.value)
        for file in code
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value
    ]
    named = [(file, text) for file, text in literals for model in catalogue.models() if text.startswith(model)]
    assert named == []
