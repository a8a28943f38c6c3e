"""What the catalogue says before anything is sent: per provider, model and parameter."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalogue import DatedCatalogue, load_catalogue
from pipeline.catalogue.sizes import is_legal
from pipeline.domain.capability import Finding, Profile
from pipeline.domain.digest import Json

PRO = "google/gemini-3-pro-image"
FLASH = "gemini-3.1-flash-image"


def said(
    catalogue: DatedCatalogue,
    preset: str,
    model: str,
    params: Mapping[str, Json],
    images: int = 0,
    *,
    mask: bool = False,
) -> list[Finding]:
    profile = catalogue.profile(preset) or Profile(name=preset)
    return list(catalogue.check(profile, model, params, images=images, mask=mask))


@dataclass(frozen=True)
class Row:
    """A request and what is to be said: ``severity parameter: words [instead]``; nothing: all is well."""

    preset: str
    model: str
    params: Mapping[str, Json]
    images: int = 0
    severity: str = ""
    param: str = ""
    words: str = ""
    instead: str = ""
    mask: bool = False


TABLE = {
    # every parameter of both seed documents, as each document offers it
    "clauddy in full": Row(
        "clauddy",
        "gpt-image-2",
        {"size": "2048x2048", "quality": "high", "background": "transparent", "output_format": "webp"},
    ),
    "clauddy edits": Row("clauddy", "gpt-image-2", {"input_fidelity": "high", "size": "1024x1024"}, 16, mask=True),
    "dieyuyun in full": Row(
        "dieyuyun",
        "gpt-image-2",
        {
            "size": "1536x1024",
            "quality": "low",
            "background": "transparent",
            "moderation": "low",
            "output_format": "png",
        },
    ),
    "dieyuyun compression": Row("dieyuyun", "gpt-image-2", {"output_format": "jpeg", "output_compression": 80}),
    "auto everything": Row("openai", "gpt-image-2", {"size": "auto", "quality": "auto", "background": "auto"}),
    # sizes
    "1920x1080": Row(
        "openai", "gpt-image-2", {"size": "1920x1080"}, 0, "error", "size", "multiples of 16", "use 1920x1088"
    ),
    "512x512": Row("sketch", "gpt-image-2", {"size": "512x512"}, 0, "error", "size", "fewer than", "use 816x816"),
    "1024 wide at 16:9": Row("clauddy", "gpt-image-2", {"size": "1024x576"}, 0, "error", "size", "", "use 1088x608"),
    "a size with a cross": Row(
        "clauddy", "gpt-image-2", {"size": "1024\u00d71024"}, 0, "error", "size", "WIDTHxHEIGHT", "use 1024x1024"
    ),
    "a size as a number": Row("openai", "gpt-image-2", {"size": 1024}, 0, "error", "size", "", "use 1024x1024"),
    "2048 at dieyuyun": Row(
        "dieyuyun", "gpt-image-2", {"size": "2048x2048"}, 0, "warning", "size", "not among those dieyuyun"
    ),
    "2048 on 1.5": Row(
        "clauddy", "gpt-image-1-mini", {"size": "2048x2048"}, 0, "error", "size", "known:", "use 1024x1024"
    ),
    "4K is experimental": Row("openai", "gpt-image-2", {"size": "3840x2160"}, 0, "hint", "size", "experimental"),
    # qualities
    "xhigh on 2": Row(
        "openai", "gpt-image-2", {"quality": "xhigh"}, 0, "error", "quality", "low, medium, high", "use high"
    ),
    "xhigh on 2.5": Row("openai", "gpt-image-2.5-flare", {"quality": "xhigh"}),
    "max on 2.6": Row("openai", "gpt-image-2.6-sunburst", {"quality": "max", "complexity": "high"}),
    "hd": Row("openai", "gpt-image-2", {"quality": "hd"}, 0, "error", "quality", "", "use high"),
    "standard": Row("openai", "gpt-image-2", {"quality": "standard"}, 0, "error", "quality", "", "use medium"),
    "a typo": Row("openai", "gpt-image-2", {"quality": "hgih"}, 0, "error", "quality", "", "use high"),
    "High": Row("openai", "gpt-image-2", {"quality": "High"}, 0, "error", "quality", "", "use high"),
    "complexity on 2": Row("openai", "gpt-image-2", {"complexity": "high"}, 0, "warning", "complexity", "400"),
    # fidelity
    "fidelity at openai": Row(
        "openai", "gpt-image-2", {"input_fidelity": "high"}, 1, "error", "input_fidelity", "openai refuses", "remove it"
    ),
    "fidelity at newapi": Row("newapi", "gpt-image-2", {"input_fidelity": "high"}, 1, "error", "input_fidelity"),
    "fidelity on a snapshot": Row(
        "openai", "openai/gpt-image-2-2026-04-21", {"input_fidelity": "high"}, 1, "error", "input_fidelity"
    ),
    "fidelity of a generation": Row(
        "clauddy", "gpt-image-2", {"input_fidelity": "high"}, 0, "error", "input_fidelity", "belongs to edits"
    ),
    "fidelity in a rehearsal": Row("sketch", "gpt-image-2", {"input_fidelity": "high"}, 1),
    "fidelity misspelt": Row(
        "clauddy", "gpt-image-2", {"input_fidelity": "hi"}, 1, "error", "input_fidelity", "", "use high"
    ),
    # transparency, formats, compression
    "transparent jpeg": Row(
        "clauddy",
        "gpt-image-2",
        {"background": "transparent", "output_format": "jpeg"},
        0,
        "error",
        "output_format",
        "needs output_format png or webp, not jpeg",
        "write output_format: png",
    ),
    "transparent with the default format": Row("clauddy", "gpt-image-2", {"background": "transparent"}),
    "transparent at openai": Row(
        "openai", "gpt-image-2", {"background": "transparent"}, 0, "warning", "background", "preview"
    ),
    "transparent on 2.5": Row("openai", "gpt-image-2.5-flare", {"background": "transparent"}),
    "compressed png": Row(
        "openai",
        "gpt-image-2",
        {"output_compression": 80},
        0,
        "error",
        "output_compression",
        "needs output_format jpeg or webp",
    ),
    "compressed png by name": Row(
        "openai",
        "gpt-image-2",
        {"output_compression": 80, "output_format": "png"},
        0,
        "error",
        "output_format",
        "needs",
    ),
    "png at 100": Row("openai", "gpt-image-2", {"output_compression": 100, "output_format": "png"}),
    "compression at dieyuyun as in its example": Row(
        "dieyuyun", "gpt-image-2", {"output_compression": 80}, 0, "warning", "output_compression", "needs output_format"
    ),
    "compression of 180": Row(
        "openai",
        "gpt-image-2",
        {"output_compression": 180, "output_format": "webp"},
        0,
        "error",
        "output_compression",
        "0 to 100",
        "use 100",
    ),
    "compression as text": Row(
        "openai",
        "gpt-image-2",
        {"output_compression": "80%", "output_format": "webp"},
        0,
        "error",
        "output_compression",
        "a number",
        "use 80",
    ),
    "compression as truth": Row(
        "openai", "gpt-image-2", {"output_compression": True, "output_format": "webp"}, 0, "error", "output_compression"
    ),
    "jpg": Row("openai", "gpt-image-2", {"output_format": "jpg"}, 0, "error", "output_format", "", "use jpeg"),
    "gif": Row("openai", "gpt-image-2", {"output_format": "gif"}, 0, "warning", "output_format", "access"),
    "frames without gif": Row(
        "openai", "gpt-image-2", {"frame_count": 4}, 0, "error", "frame_count", "needs output_format gif"
    ),
    "style": Row("openai", "gpt-image-2", {"style": "vivid"}, 0, "error", "style", "DALL"),
    # moderation
    "moderation": Row("openai", "gpt-image-2", {"moderation": "low"}),
    "moderation on an edit": Row("openai", "gpt-image-2", {"moderation": "low"}, 1, "warning", "moderation", "edits"),
    "moderation on a rehearsed edit": Row("sketch", "gpt-image-2", {"moderation": "low"}, 1),
    # what belongs elsewhere
    "n": Row("openai", "gpt-image-2", {"n": 4}, 0, "error", "n", "", "write n: beside params"),
    "response_format": Row(
        "dieyuyun", "gpt-image-2", {"response_format": "url"}, 0, "error", "response_format", "", "the profile decides"
    ),
    "model": Row("openai", "gpt-image-2", {"model": "x"}, 0, "error", "model", "", "beside params"),
    "mask": Row("openai", "gpt-image-2", {"mask": "x.png"}, 1, "error", "mask", "", "beside params"),
    "n of an unknown model": Row("openai", "acme-1", {"n": 4}, 0, "error", "n"),
    "stream": Row("openai", "gpt-image-2", {"stream": True}, 0, "warning", "stream", "", "at the provider"),
    "partials": Row("openai", "gpt-image-2", {"partial_images": 2}, 0, "warning", "partial_images"),
    "too many partials": Row("openai", "gpt-image-2", {"partial_images": 4}, 0, "error", "partial_images", "0 to 3"),
    "stream misspelt": Row("openai", "gpt-image-2", {"stream": "auto"}, 0, "error", "stream", "true or false"),
    # unknown parameters
    "unknown at openai": Row(
        "openai", "gpt-image-2", {"backgroud": "opaque"}, 0, "warning", "backgroud", "400", "did you mean background?"
    ),
    "unknown at newapi": Row("newapi", "gpt-image-2", {"seed": 7}, 0, "warning", "seed", "drop it silently"),
    "unknown in a rehearsal": Row(
        "sketch", "gpt-image-2", {"sizes": "x"}, 0, "warning", "sizes", "passed", "did you mean size?"
    ),
    "known but not relayed": Row(
        "newapi", "gpt-image-2", {"safety_identifier": "shop"}, 0, "warning", "safety_identifier", "dropped silently"
    ),
    "relayed as a form": Row("newapi", "gpt-image-2", {"safety_identifier": "shop"}, 1),
    "a removed parameter": Row("openai", "gpt-image-2", {"input_fidelity": None}),
    # Nano Banana
    "pro": Row("openrouter", PRO, {"aspect_ratio": "16:9", "image_size": "4K"}, 14),
    "pro at 0.5K": Row("openrouter", PRO, {"image_size": "0.5K"}, 0, "error", "image_size", "1K, 2K, 4K", "use 1K"),
    "flash at 0.5K": Row("openrouter", FLASH, {"image_size": "0.5K", "aspect_ratio": "1:8"}),
    "pro at 1:8": Row("openrouter", PRO, {"aspect_ratio": "1:8"}, 0, "error", "aspect_ratio"),
    "small k": Row("openrouter", PRO, {"image_size": "2k"}, 0, "error", "image_size", "", "use 2K"),
    "16x9": Row("openrouter", PRO, {"aspect_ratio": "16x9"}, 0, "error", "aspect_ratio", "", "use 16:9"),
    "512 as a number": Row("openrouter", FLASH, {"image_size": 512}, 0, "error", "image_size", "a text", 'write "512"'),
    "size on chat": Row("openrouter", PRO, {"size": "1536x1024"}, 0, "warning", "size", "aspect_ratio and image_size"),
    "auto size on chat": Row("openrouter", PRO, {"size": "auto"}),
    "quality on chat": Row("openrouter", PRO, {"quality": "high"}, 0, "warning", "quality", "ignores quality"),
    "mask on chat": Row("openrouter", PRO, {}, 1, "error", "mask", "no mask", mask=True),
    "15 pictures": Row("openrouter", PRO, {}, 15, "error", "images", "14 input pictures at most"),
    "pro on images": Row("newapi", "gemini-3-pro-image", {}, 0, "warning", "", "images protocol", "protocol: chat"),
    "gpt-image on chat": Row(
        "openrouter", "openai/gpt-image-2", {}, 0, "warning", "", "chat protocol", "protocol: images"
    ),
    "a rehearsal speaks everything": Row("sketch", PRO, {"aspect_ratio": "1:1"}),
    # edits
    "edits at dieyuyun": Row("dieyuyun", "gpt-image-2", {}, 1, "error", "images", "dieyuyun has no edits"),
    "an unknown model's edits at dieyuyun": Row(
        "dieyuyun", "acme-1", {}, 1, "error", "images", "dieyuyun has no edits"
    ),
    "17 pictures": Row("openai", "gpt-image-2", {}, 17, "error", "images", "16 input pictures at most"),
    # models
    "unknown model": Row(
        "openai", "acme-1", {"size": "7x7", "whatever": 1}, 0, "warning", "", "does not know 'acme-1'"
    ),
    "misspelt model": Row("openai", "gpt-imag-2", {}, 0, "warning", "", "", "did you mean gpt-image-2?"),
    "an unlisted snapshot": Row("openai", "gpt-image-2-2026-10-01", {}, 0, "hint", "", "taken to be as its family"),
    "a listed snapshot": Row("openai", "gpt-image-2-2026-04-21", {}),
    "a prefix is no snapshot": Row("openai", "gpt-image-2-mini", {}, 0, "warning", "", "does not know"),
    "a strange vendor": Row("openrouter", "acme/gpt-image-2", {}, 0, "warning", "", "does not know"),
    "ten days left": Row(
        "openai", "gpt-image-1.5", {}, 0, "warning", "", "ends in 10 days (2026-12-01)", "use gpt-image-2"
    ),
    "ten days left for mini": Row("clauddy", "gpt-image-1-mini", {}, 0, "warning", "", "ends in 10 days"),
    "ten days left for latest": Row("openai", "chatgpt-image-latest", {}, 0, "warning", "", "ends in 10 days"),
    "gone at its maker": Row("openai", "gpt-image-1", {}, 0, "error", "", "ended on 2026-10-23", "use gpt-image-2"),
    "gone, but not here": Row("clauddy", "gpt-image-1", {}, 0, "warning", "", "may still have it", "use gpt-image-2"),
    "dall-e": Row("openai", "dall-e-3", {"style": "vivid", "quality": "hd"}, 0, "error", "", "ended on 2026-05-12"),
    "a preview that ended": Row(
        "openrouter",
        "google/gemini-3-pro-image-preview",
        {},
        0,
        "warning",
        "",
        "ended on 2026-06-25",
        "use gemini-3-pro-image",
    ),
    "far from its end": Row("openrouter", "google/gemini-3.1-flash-image", {}),
    "an unknown host": Row("somewhere", "gpt-image-2", {"input_fidelity": "low"}, 1, "error", "input_fidelity"),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_catalogue_says(catalogue: DatedCatalogue, name: str) -> None:
    row = TABLE[name]
    found = said(catalogue, row.preset, row.model, row.params, row.images, mask=row.mask)
    if not row.severity:
        assert found == []
        return
    graver = [finding for finding in found if finding.severity == row.severity]
    assert len(graver) == 1, found
    assert graver[0].param == row.param
    assert row.words in graver[0].what
    assert row.instead in graver[0].instead
    rest = [finding for finding in found if finding.severity == "error" and row.severity != "error"]
    assert rest == []


def test_an_unknown_model_gets_one_warning_and_everything_passes(catalogue: DatedCatalogue) -> None:
    params: dict[str, Json] = {"size": "1x1", "quality": "best", "input_fidelity": 3, "seed": 1}
    assert [finding.severity for finding in said(catalogue, "openai", "acme-1", params, 3, mask=True)] == ["warning"]


def test_all_faults_of_a_request_are_said_at_once(catalogue: DatedCatalogue) -> None:
    params: dict[str, Json] = {"size": "1920x1080", "quality": "ultra", "n": 2, "colour": "red"}
    found = said(catalogue, "openai", "gpt-image-2", params)
    assert [(finding.severity, finding.param) for finding in found] == [
        ("error", "size"),
        ("error", "quality"),
        ("error", "n"),
        ("warning", "colour"),
    ]


@pytest.mark.parametrize(
    ("today", "severity", "words"),
    [
        (date(2026, 7, 1), None, ""),
        (date(2026, 8, 3), "warning", "ends in 120 days"),
        (date(2026, 11, 30), "warning", "ends tomorrow"),
        (date(2026, 12, 1), "error", "ended on 2026-12-01"),
        (date(2027, 1, 1), "error", "ended on 2026-12-01"),
    ],
)
def test_a_retirement_is_told_by_the_day(today: date, severity: str | None, words: str) -> None:
    found = said(load_catalogue(today=today), "openai", "gpt-image-1.5", {})
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    assert all(words in finding.what for finding in found)


def test_a_disputed_end_says_so() -> None:
    found = said(load_catalogue(today=date(2027, 3, 1)), "openrouter", "google/gemini-2.5-flash-image", {})
    assert "another source says 2026-10-02" in found[0].what


def test_a_model_of_another_protocol_than_its_provider_is_judged_by_its_own(catalogue: DatedCatalogue) -> None:
    profile = catalogue.profile("dieyuyun")
    assert profile is not None
    chat = replace(profile, protocol="chat")
    assert list(catalogue.check(chat, PRO, {"aspect_ratio": "1:1"}, images=2, mask=False)) == []


def test_a_finding_can_be_answered_by_one_key_of_the_data(catalogue: DatedCatalogue) -> None:
    profile = catalogue.profile("openai")
    assert profile is not None
    where = catalogue.where(profile, "openai/gpt-image-2-2026-04-21", "input_fidelity")
    assert where == "providers.openai.models.gpt-image-2.params.input_fidelity"
    rule = {"verdict": "allowed", "values": ["low", "high"]}
    data = {"providers": {"openai": {"models": {"gpt-image-2": {"params": {"input_fidelity": rule}}}}}}
    changed = catalogue.overridden(data)
    assert said(changed, "openai", "gpt-image-2", {"input_fidelity": "high"}, 1) == []
    assert catalogue.where(profile, "gpt-image-2", "size").endswith("gpt-image-2.sizes")
    assert catalogue.where(Profile(name="x"), "acme-1", "seed") == "providers.NAME.models.acme-1.params.seed"


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers(), max_size=2)
)
CHOICES = [
    "size",
    "quality",
    "background",
    "output_format",
    "moderation",
    "input_fidelity",
    "aspect_ratio",
    "image_size",
]
OTHERS = ["output_compression", "stream", "partial_images", "n", "frame_count", "svg", "seed", "user", "what"]
names = st.sampled_from([*CHOICES, *OTHERS])


@settings(max_examples=150, deadline=None)
@given(
    preset=st.sampled_from(["openai", "clauddy", "dieyuyun", "openrouter", "newapi", "sketch", "none of these"]),
    model=st.sampled_from(
        ["gpt-image-2", "gpt-image-1.5", "gpt-image-1-mini", PRO, FLASH, "dall-e-2", "acme-1", "", "/"]
    ),
    params=st.dictionaries(names, anything, max_size=4),
    images=st.integers(0, 20),
)
def test_whatever_is_written_is_judged_and_each_value_suggested_is_legal(
    catalogue: DatedCatalogue, preset: str, model: str, params: dict[str, Json], images: int
) -> None:
    entry = catalogue.entry(model, preset)
    for finding in said(catalogue, preset, model, params, images):
        assert finding.what
        assert "\n" not in finding.what.replace(str(params.get(finding.param)), "")
        value = finding.instead.removeprefix("use ")
        if entry is None or value == finding.instead or finding.param not in params:
            continue
        if finding.param == "size":
            assert entry.sizes is not None
            assert is_legal(entry.sizes, value)
            continue
        better: Json = value if finding.param in CHOICES else int(value)
        again = said(catalogue, preset, model, {finding.param: better}, images)
        assert not [each for each in again if each.param == finding.param and each.instead.startswith("use ")]


legal_looking = st.fixed_dictionaries(
    {},
    optional={
        "size": st.sampled_from(["auto", "1024x1024", "2048x2048", "1920x1080", "512x512"]),
        "quality": st.sampled_from(["auto", "low", "high", "xhigh", "max", "hd"]),
        "background": st.sampled_from(["auto", "opaque", "transparent"]),
        "output_format": st.sampled_from(["png", "jpeg", "webp", "jpg"]),
        "output_compression": st.sampled_from([0, 80, 100, 101]),
        "moderation": st.sampled_from(["auto", "low"]),
        "input_fidelity": st.sampled_from(["low", "high"]),
        "complexity": st.just("high"),
    },
)


@settings(max_examples=200, deadline=None)
@given(
    preset=st.sampled_from(["openai", "clauddy", "dieyuyun", "newapi"]),
    model=st.sampled_from(["gpt-image-2", "gpt-image-2.6-flare", "gpt-image-1.5", "gpt-image-1-mini", "gpt-image-1"]),
    params=legal_looking,
    images=st.integers(0, 16),
)
def test_a_rehearsal_refuses_nothing_that_some_real_provider_takes(
    catalogue: DatedCatalogue, preset: str, model: str, params: dict[str, Json], images: int
) -> None:
    def errors(name: str) -> list[Finding]:
        return [each for each in said(catalogue, name, model, params, images) if each.severity == "error"]

    if not errors(preset):
        assert errors("sketch") == []
