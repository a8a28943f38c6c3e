"""Providers, models, variables, secrets and `--provider`."""

import pytest

from pipeline.manifest.model import SecretRef
from tests.manifest.world import Folder

SHOT = "shots: {a: {prompt: p}}\n"


def manifest(providers: str = "", models: str = "", shot: str = SHOT) -> str:
    return f"version: 1\nname: x\nproviders: {{{providers}}}\nmodels: {{{models}}}\n{shot}"


NO_KEY = "api_key must not stand in a manifest"
PROBLEMS = [
    ("p: {}", "", "3:13: provider 'p' has no base_url"),
    ("p: {preset: newapi}", "", "3:13: provider 'p' has no base_url"),
    ("p: {preset: openay}", "", "3:25: there is no preset 'openay' (did you mean 'openai'?)"),
    ("p: {base_url: host/v1}", "", "3:27: base_url cannot be used: it lacks https:// (write https://host/v1)"),
    ("p: {base_url: 'https://h/v1', api_key: sk-hunter2}", "", "3:52: api_key must not stand in a manifest"),
    ("p: {base_url: 'https://h/v1', api_key: 'env:sk-hunter2'}", "", "3:52: api_key must not stand"),
    ("p: {base_url: 'https://h/v1', api_key: '${HUNTER}'}", "", f"3:52: {NO_KEY}, only where it is (write env:HUNTER)"),
    ("p: {base_url: 'https://h/v1', api_key: 12345}", "", "3:52: api_key must not stand in a manifest"),
    ("p: {base_url: 'https://h/v1', api_key: [hunter2]}", "", "3:43: 'api_key' must be text, not a list"),
    ("p: {base_url: '${NOPE}/v1'}", "", "3:27: the variable NOPE is not set (set it, or write ${NOPE:-"),
    ("p: {base_url: '${NO-PE}'}", "", "3:27: '${NO-PE}' is not a variable"),
    ("p: {base_url: 'https://h/v1', limits: {concurrency: 0}}", "", "3:65: 'concurrency' must be 1 to"),
    ("p: {base_url: 'https://h/v1', timeout: {total: soon}}", "", "3:60: 'total' 'soon' is not a duration"),
    (
        "p: {preset: openai, protocol: image}",
        "",
        "3:43: 'protocol' must be images or chat, not 'image' (did you mean 'images'?)",
    ),
    ("p: {base_url: 'https://h/v1', on_unknown: buy}", "", "3:55: 'on_unknown' must be hold or retry"),
    ("p: {base_url: 'https://h/v1', max_buys: 0}", "", "3:53: 'max_buys' must be 1 to 10"),
    ("p: {base_url: 'https://h/v1'}", "m: {provider: q, model: gpt-image-2}", "4:24: there is no provider 'q'"),
    ("p: {base_url: 'https://h/v1'}", "m: {provider: p}", "4:10: 'model' is missing"),
    ("p: {base_url: 'https://h/v1'}", "m: {model: x, price: 1 EUR}", "4:31: 'price' '1 EUR' is not an amount"),
    (
        "p: {preset: openai}, q: {preset: openai}",
        "m: {model: x}",
        "4:10: model 'm' names no provider (add one of p, q)",
    ),
    ("p: {base_url: 'https://h/v1'}", "", "5:9: shot 'a' does not say which model (add 'model: …' or models:)"),
    (
        "p: {preset: openai}",
        "m: {model: x}, n: {model: y}",
        "5:9: shot 'a' does not say which model (add 'model: …', one of",
    ),
]


@pytest.mark.parametrize(("providers", "models", "said"), PROBLEMS)
def test_what_is_wrong_with_providers_and_models(folder: Folder, providers: str, models: str, said: str) -> None:
    shot = SHOT if models or "does not say" in said else SHOT.replace("prompt: p", "prompt: p, model: gpt-image-2")
    problems = folder.problems(manifest(providers, models, shot))
    assert problems[0].startswith(f"m.yaml:{said}")
    assert len(problems) == 1
    assert "hunter2" not in "".join(problems)


def test_a_secret_is_never_printed_however_it_came(folder: Folder) -> None:
    base = "p: {base_url: 'https://h/v1', api_key: env:KEY}"
    text = manifest(base, "m: {model: gpt-image-2}") + "notify: [{webhook: 'https://hooks/hunter2'}]\n"
    for sets in (
        [],
        ["providers.p.api_key=hunter2"],
        ["providers.p={api_key: hunter2}"],
        ["providers.p.api_key: hunter2"],
    ):
        problems = folder.problems(text, sets=sets)
        assert problems
        assert "hunter2" not in "".join(problems)


def test_where_secrets_are(folder: Folder) -> None:
    made = folder.load(
        manifest("p: {preset: openai, api_key: 'file:keys/k.txt'}", "m: {model: gpt-image-2}")
        + "notify: [{webhook: 'file:/etc/hook', when: [failed]}]\n"
    )
    assert made.providers["p"].api_key == SecretRef(kind="file", name=str(folder.root / "keys/k.txt"))
    assert made.notify[0].webhook == SecretRef(kind="file", name="/etc/hook")


def test_variables_are_replaced_in_every_text_of_a_provider(folder: Folder) -> None:
    there = Folder(root=folder.root, environ={"HOST": "h.example", "WIDE": "4", "EMPTY": "", "SPACE": "eu"})
    text = manifest(
        "p: {base_url: 'https://${HOST}/v1', space: '${SPACE}', api_key: 'env:K', "
        "limits: {concurrency: '${WIDE}', requests_per_minute: '${RPM:-60}'}, timeout: {total: '${T:-30s}'}}, "
        "q: {base_url: '${EMPTY:-https://q/v1}', preset: openai}",
        "m: {provider: p, model: gpt-image-2}",
    )
    made = there.load(text)
    provider = made.providers["p"]
    assert (provider.base_url, provider.space, provider.timeout.total) == ("https://h.example/v1", "eu", 30)
    assert (provider.limits.concurrency, provider.limits.requests_per_minute) == (4, 60)
    assert made.providers["q"].base_url == "https://q/v1"


def test_a_preset_may_be_left_out(folder: Folder) -> None:
    made = folder.load(
        manifest(
            "openai: {api_key: env:K}, mine: {base_url: 'http://127.0.0.1:1'}",
            "m: {provider: mine, model: gpt-image-2}",
        )
    )
    assert made.providers["openai"].base_url == "https://api.openai.com/v1"
    assert made.providers["openai"].limits.concurrency == 8
    mine = made.providers["mine"]
    assert (mine.preset, mine.base_url, mine.limits.concurrency) == ("openai", "http://127.0.0.1:1/v1", None)


def test_the_catalogues_models_can_be_named_directly_at_the_only_provider(folder: Folder) -> None:
    made = folder.load(manifest("p: {preset: openai}", "", SHOT.replace("prompt: p", "prompt: p, model: gpt-image-2")))
    assert made.models["gpt-image-2"].provider == "p"
    made = folder.load(
        manifest("", "", SHOT.replace("prompt: p", "prompt: p, matrix: {model: [gpt-image-2, gemini-3-pro-image]}"))
    )
    assert {spec.provider for spec in made.models.values()} == {"sketch"}
    two = manifest(
        "p: {preset: openai}, q: {preset: openai}",
        "m: {provider: p, model: x}",
        SHOT.replace("prompt: p", "prompt: p, model: gpt-image-2"),
    )
    assert folder.problems(two) == ["m.yaml:5:31: there is no model 'gpt-image-2' (there is m)"]


def test_a_price_and_a_protocol_of_a_model(folder: Folder) -> None:
    models = "m: {model: gpt-image-2, price: 0.04 USD}, c: {model: gpt-image-2, protocol: chat, price: 0.1}"
    made = folder.load(manifest("p: {preset: openai}", models, SHOT.replace("prompt: p", "prompt: p, model: c")))
    assert (made.models["m"].price, made.models["m"].protocol) == (40_000, "images")
    assert (made.models["c"].price, made.models["c"].protocol) == (100_000, "chat")


REHEARSED = manifest(
    "p: {preset: openai, base_url: '${NOT_SET}'}, r: {preset: openrouter}",
    "m: {provider: p, model: gpt-image-2}, c: {provider: r, model: gemini-3-pro-image}",
    SHOT.replace("prompt: p", "prompt: p, matrix: {model: [m, c]}"),
)


def test_a_rehearsal_runs_everything_on_the_sketch_without_keys_or_variables(folder: Folder) -> None:
    assert folder.problems(REHEARSED) == [
        "m.yaml:3:43: the variable NOT_SET is not set (set it, or write ${NOT_SET:-default})"
    ]
    made = folder.load(REHEARSED, provider="sketch")
    assert {spec.provider for spec in made.models.values()} == {"sketch"}
    assert (made.models["m"].protocol, made.models["c"].protocol) == ("images", "chat")


def test_another_provider_can_take_over(folder: Folder) -> None:
    made = folder.load(REHEARSED, provider="r")
    assert {spec.provider for spec in made.models.values()} == {"r"}
    assert {spec.protocol for spec in made.models.values()} == {"chat"}
    assert folder.problems(REHEARSED, provider="skech") == [
        "--provider skech: there is no provider 'skech' (did you mean 'sketch'?)"
    ]


def test_a_broken_model_is_reported_once_and_nothing_is_concluded_from_it(folder: Folder) -> None:
    text = manifest("p: {preset: openai}", "m: 3", SHOT.replace("prompt: p", "prompt: p, model: m"))
    assert folder.problems(text) == [
        "m.yaml:4:13: 'm' must be a mapping, not a number (write its keys below it, indented)"
    ]
