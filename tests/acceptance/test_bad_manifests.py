"""Bad input gets one line with its place and what to write instead; nothing is sent, nothing made."""

import re

import pytest

from tests.acceptance.desk import Desk

HEAD = "version: 1\nname: bad\n"
SHOT = "shots:\n  a: {prompt: hi}\n"
KEYED = (
    HEAD + "providers: {p: {preset: openai, api_key: env:SHOP_KEY}}\nmodels: {main: {provider: p, model: %s}}\n" + SHOT
)
FED = HEAD + "sources: {p: {file: ../feed/%s, key: sku}}\nshots:\n  a: {prompt: '%s', matrix: {p: {source: p}}}\n"

CASES = {
    HEAD + "shots: {a: [\n": "4:1: a value is expected",
    HEAD + "sots: 1\n" + SHOT: "3:1: unknown key 'sots' (did you mean 'shots'?)",
    HEAD + "defaults: {n: lots}\n" + SHOT: "3:15: 'n' must be a whole number",
    HEAD + "name: x\n" + SHOT: "3:1: 'name' is given twice",
    HEAD + "shots:\n  a: {prompt: !!python/object/apply:os.system ['true']}\n": "4:15: custom tags are not allowed",
    HEAD + "shots:\n  a: {matrix: {colour: [red]}, prompt: '{{ color }}'}\n": "(did you mean 'colour'?)",
    HEAD + "shots:\n  a: {prompt: hi, images: [nope.png]}\n": "4:28: there is no file 'nope.png'",
    HEAD + "shots:\n  a: {prompt: hi, path: ../../x}\n": "4:25: the path leaves the output folder",
    HEAD + "shots:\n  a: {prompt: hi, path: thumbs/x}\n": "4:25: 'thumbs' is reserved",
    HEAD
    + "shots:\n  a: {matrix: {c: [x, y]}, prompt: '{{ c }}', path: same}\n": "a/x and a/y would both be written to",
    HEAD + "shots:\n  a: {prompt: \"{{ ''.__class__ }}\"}\n": "4:15: cannot be read as a template: '__class__' is not",
    HEAD + "providers: {p: {preset: newapi, base_url: '${NO_URL}', api_key: env:K}}\n" + SHOT: "NO_URL is not set",
    KEYED % "gpt-image-2, params: {size: 1920x1080}": "(use 1920x1088)",
    KEYED % "gpt-image-2, params: {input_fidelity: high}": "refuses input_fidelity",
    FED % ("good.csv", "{{ p.titel }}"): "'p' has no field 'titel' (did you mean 'title'?)",
    FED % ("twice.csv", "x"): "twice.csv:3:1: the key 'A' is already in line 2",
    FED % ("latin.csv", "x"): "latin.csv:2:3: byte 0xff is not UTF-8",
    FED.replace("sku", "nr") % ("good.csv", "x"): "good.csv:1:1: there is no column 'nr'",
}


def test_every_bad_manifest_gets_its_line_and_a_good_one_stays_good(desk: Desk) -> None:
    desk.write("feed/good.csv", "sku,title\nA,one\n")
    desk.write("feed/twice.csv", "sku,title\nA,one\nA,two\n")
    desk.write("feed/latin.csv", b"sku,title\nA,\xff\n")
    files = [desk.write(f"jobs/{at}.yaml", text) for at, text in enumerate(CASES)]
    good = desk.write("jobs/good.yaml", HEAD + SHOT)
    told = desk.run("validate", *files, good, "--json")
    assert told.exit == 2
    results = told.json
    for result, wanted in zip(results[:-1], CASES.values(), strict=True):
        assert not result["ok"], wanted
        assert any(wanted in line for line in result["problems"]), (wanted, result["problems"])
        assert all(re.match(r"[^:]+:\d+:\d+: ", line) for line in result["problems"]), result["problems"]
    assert results[-1]["ok"]
    assert not (desk.root / "output").exists()


def test_all_problems_come_at_once(desk: Desk) -> None:
    text = HEAD + "sots: 1\ndefaults: {n: lots}\nshots:\n  a: {promt: hi}\n  b: {prompt: '{{ nope }}'}\n"
    told = desk.run("run", desk.write("jobs/bad.yaml", text))
    assert told.exit == 2
    assert len(told.err.splitlines()) == 4
    assert told.out == ""


def test_a_literal_key_is_an_error_that_does_not_print_it(desk: Desk) -> None:
    text = HEAD + "providers: {p: {preset: openai, api_key: sk-live-0123456789abcdefSECRET}}\n" + SHOT
    told = desk.run("validate", desk.write("jobs/bad.yaml", text))
    assert told.exit == 2
    assert "env:NAME or file:PATH" in told.err


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["run", "nope.yaml"],
        ["run", "good.yaml", "--budget", "lots"],
        ["run", "good.yaml", "--set", "shots.b.params.quality=low"],
        ["plan", "."],
        ["paln", "good.yaml"],
    ],
)
def test_wrong_usage_is_exit_2_with_a_line(desk: Desk, words: list[str]) -> None:
    desk.write("good.yaml", HEAD + SHOT)
    told = desk.run(*words)
    assert told.exit == 2
    assert told.err.strip()
    assert not (desk.root / "output").exists()
