"""Whole manifests: what is wrong is told all at once, each thing at its place."""

from pathlib import Path

import pytest

from pipeline.domain.errors import ManifestError
from pipeline.manifest import load
from tests.manifest.world import Folder, SmallCatalogue, shop

TOP = [
    ("", "m.yaml:1:1: the file is empty (start with 'version: 1', then name and shots)"),
    ("# only a note\n", "m.yaml:1:1: the file is empty"),
    ("- a\n", "m.yaml:1:1: a manifest is a mapping, not a list"),
    ("words", "m.yaml:1:1: a manifest is a mapping, not text"),
    ("version: 1\nname: x\nshots: {}\n", "m.yaml:3:1: there are no shots"),
    ("version: 1\nname: x\n", "m.yaml:1:1: 'shots' is missing"),
    ("name: x\nshots: {a: {prompt: p}}", "m.yaml:1:1: 'version' is missing (add 'version: …')"),
    (
        "version: 2\nname: x\nshots: {a: {prompt: p}}",
        "m.yaml:1:10: there is no version 2 of manifests (write 'version: 1')",
    ),
    (
        "version: 1\nname: a b\nshots: {a: {prompt: p}}",
        "m.yaml:2:1: the name 'a b' cannot stand in a path as it is (write 'a-b')",
    ),
    ("version: 1\nname: x\nshot: {a: {prompt: p}}", "m.yaml:3:1: unknown key 'shot' (did you mean 'shots'?)"),
    ("version: 1\nname: x\nshots: [a]", "m.yaml:3:1: 'shots' must be a mapping, not a list"),
    ("version: 1\nname: x\nshots: {a: {prompt: p}, A: {prompt: p}}", "m.yaml:3:25: 'a' and 'A' would be one path"),
    (
        "version: 1\nname: x\nshots: {a/b: {prompt: p}}",
        "m.yaml:3:9: shot 'a/b' cannot stand in a path as it is (write 'a-b')",
    ),
    ("version: 1\nname: x\nshots: {index: {prompt: p}}", "m.yaml:3:9: 'index' is reserved for the sheet"),
    ("version: 1\nname: x\nshots: {thumbs: {prompt: p, matrix: {a: [b]}}}", "m.yaml:3:9: 'thumbs' is reserved"),
]


@pytest.mark.parametrize(("text", "said"), TOP)
def test_the_top_of_a_manifest(folder: Folder, text: str, said: str) -> None:
    (problem,) = folder.problems(text)
    assert problem.startswith(said)


SHOTS = [
    ("promt: p", "5:5: unknown key 'promt' (did you mean 'prompt'?)"),
    ("n: 1", "4:3: shot 'hero' has no prompt (add 'prompt: …')"),
    ("prompt: ''", "5:13: the prompt is empty"),
    ("prompt: [p]", "5:5: 'prompt' must be text, not a list"),
    ("prompt: p\nn: 0", "6:8: 'n' must be 1 to 1000, not 0"),
    ("prompt: p\nn: two", "6:8: 'n' must be a whole number, not 'two'"),
    ("prompt: p\nn: '2'", "6:8: 'n' must be a whole number, not '2' (write it without quotes)"),
    ("prompt: p\nn: 1.5", "6:8: 'n' must be a whole number, not 1.5"),
    ("prompt: p\nn: true", "6:8: 'n' must be a whole number, not true"),
    ("prompt: p\nper_request: 11", "6:18: 'per_request' must be 1 to 10, not 11"),
    ("prompt: p\nsize: 1024x1024", "6:5: unknown key 'size' (write 'params: {size: …}')"),
    ("prompt: p\nsteps: []", "6:5: unknown key 'steps' (write 'chain')"),
    ("prompt: p\nparams: [a]", "6:5: 'params' must be a mapping, not a list"),
    ("prompt: p\nparams: {a: .nan}", "6:17: 'a' .nan is not a number that can be sent"),
    ("prompt: '{{ colour }}'", "5:13: nothing is called 'colour' here"),
    ("prompt: '{{ step }}'", "5:13: 'step' is known in `path` only"),
    (
        "prompt: '{{ c }}'\nmatrix: {c: [a]}\npath: '{{ step }}/{{ d }}'",
        "7:11: nothing is called 'd' here (there are c, text, step, candidate)",
    ),
    ("prompt: '{{ c.x }}'\nmatrix: {c: [a]}", "5:13: 'c' has no field 'x'"),
    ("prompt: '{{ scen }}'\nmatrix: {scene: [a]}", "5:13: nothing is called 'scen' here (did you mean 'scene'?)"),
    (
        "prompt: '{{ a.mod }}'\nmatrix: {a: {x: {text: t, mood: m}}}",
        "5:13: 'a' has no field 'mod' (did you mean 'mood'?)",
    ),
    ("prompt: '{{ a.mood }}'\nmatrix: {a: {x: {text: t, mood: m}, y: u}}", "5:13: 'a' has no field 'mood' for y"),
    ("prompt: '{{ text.kep }}'", "5:13: text has no 'kep' (did you mean 'keep'?)"),
    ("prompt: '{{ broken'", "5:13: cannot be read as a template"),
    ("prompt: p\nwhere: a ==", "6:12: cannot be read as a template"),
    ("prompt: p\nwhere: a == 1", "6:12: nothing is called 'a' here"),
    ("prompt: p\nmatrix: {c: []}", "6:14: axis 'c' has no values"),
    ("prompt: p\nmatrix: {c: {}}", "6:14: axis 'c' has no values"),
    ("prompt: p\nmatrix: {c: red}", "6:17: axis 'c' must be a list, a mapping or a source (write [a, b])"),
    ("prompt: p\nmatrix: {c: [a, a]}", "6:21: axis 'c' has 'a' twice"),
    ("prompt: p\nmatrix: {c: [a b, a/b]}", "6:23: 'a b' and 'a/b' of axis 'c' would be one path"),
    ("prompt: p\nmatrix: {c: [Red, red]}", "6:23: 'Red' and 'red' of axis 'c' would be one path"),
    ("prompt: p\nmatrix: {c: [[a]]}", "6:18: a value of an axis must be a word"),
    ("prompt: p\nmatrix: {c: [~]}", "6:18: a value of an axis must be a word"),
    ("prompt: p\nmatrix: {c: {a: }}", "6:21: 'a' has no text"),
    ("prompt: p\nmatrix: {my-axis: [a]}", "6:14: an axis cannot be called 'my-axis' (write 'my_axis')"),
    ("prompt: p\nmatrix: {text: [a]}", "6:14: an axis cannot be called 'text'"),
    ("prompt: p\nmatrix: {c: {source: feed}}", "6:26: there is no source 'feed'"),
    ("prompt: p\nmatrix: {model: {a: main}}", "6:14: the axis 'model' is a list of models"),
    ("prompt: p\nmatrix: {model: [nope]}", "6:22: there is no model 'nope'"),
    ("prompt: p\nmodel: nope", "6:12: there is no model 'nope'"),
    (
        "prompt: p\nmodel: gpt-image-2\nmatrix: {model: [gpt-image-2]}",
        "6:5: the model is said here and by the axis 'model'",
    ),
    ("prompt: p\nmatrix: {a: [x, y], b: [z]}\nzip: [a, b]", "7:5: zip: the axes differ in length: a has 2, b has 1"),
    ("prompt: p\nmatrix: {aa: [x]}\nzip: [aa, ab]", "7:5: zip: there is no axis 'ab' (there is aa)"),
    ("prompt: p\nmatrix: {a: [x]}\nzip: [a]", "7:5: zip takes two or more axes"),
    ("prompt: p\nmatrix: {a: [x], b: [y]}\nzip: [[a, b], [a, b]]", "7:5: zip: axis 'a' is named twice"),
    (
        "prompt: p\nmatrix: {col: [red]}\nexclude: [{cool: red}]",
        "7:16: exclude: there is no axis 'cool' (did you mean 'col'?)",
    ),
    (
        "prompt: p\nmatrix: {col: [red]}\nexclude: [{col: rad}]",
        "7:21: exclude: axis 'col' has no value 'rad' (did you mean 'red'?)",
    ),
    ("prompt: p\nmatrix: {col: [red]}\nexclude: [{}]", "7:15: an empty entry would exclude everything"),
    ("prompt: p\nmatrix: {c: {a: {text: t, m: 1}}}\nexclude: [{c.n: 1}]", "7:16: exclude: 'c' has no field 'n'"),
    ("prompt: p\nmatrix: {a: [x], b: [y]}\ninclude: [{a: x}]", "7:15: include names every axis; b is missing"),
    ("prompt: p\nmatrix: {a: [x]}\ninclude: [{a: x, b: y}]", "7:22: include: there is no axis 'b'"),
    (
        "prompt: p\nmatrix: {a: {red: r}}\ninclude: [{a: rad}]",
        "7:19: include: axis 'a' has no value 'rad' (did you mean 'red'?)",
    ),
    ("prompt: p\nimages: [nope.png]", "6:14: there is no file 'nope.png'"),
    ("prompt: p\nimages: nope.png", "6:13: there is no file 'nope.png'"),
    ("prompt: p\nimages: [phto.png]", "6:14: there is no file 'phto.png' (did you mean 'photo.png'?)"),
    ("prompt: p\nimages: ['']", "6:14: the name of an input image is empty"),
    ("prompt: p\nimages: ['{{ a }}.png']\nmatrix: {a: [photo, x]}", "6:14: there is no file 'x.png'"),
    ("prompt: p\nimages: ['{{ a.f }}']\nmatrix: {a: {k: {text: t, f: nope.png}}}", "6:14: there is no file 'nope.png'"),
    ("prompt: p\nimages: ['.']", "6:14: '.' is a folder"),
    ("prompt: p\nimages: ['ftp://host/x.png']", "6:14: 'ftp://host/x.png' is neither a file nor an http(s) URL"),
    ("prompt: p\nimages: [" + "photo.png, " * 17 + "]", "6:5: 17 images are too many (16 in all at most)"),
    ("prompt: p\nmask: photo.png", "6:11: shot 'hero' has a mask and no images"),
    ("prompt: p\nimages: [photo.png]\nmask: nope.png", "7:11: there is no file 'nope.png'"),
    ("prompt: p\nchain: [{id: a, prompt: keep, n: 2}]", "6:35: an edit takes no n"),
    ("prompt: p\nchain: [{id: a, prompt: keep}, {id: a, prompt: keep}]", "6:37: edit 'a' is given twice"),
    ("prompt: p\nchain: [{id: a, prompt: keep}, {id: A, prompt: keep}]", "6:37: 'a' and 'A' would be one path"),
    ("prompt: p\nchain: [{id: a/b, prompt: keep}]", "6:14: edit 'a/b' cannot stand in a path as it is (write 'a-b')"),
    ("prompt: p\nchain: [{id: '', prompt: keep}]", "6:14: edit is empty"),
    ("prompt: p\nchain: [{id: a}]", "6:13: 'prompt' is missing"),
    ("prompt: p\nchain: [{id: a, prompt: ' '}]", "6:29: the prompt of edit 'a' is empty"),
    ("prompt: p\nchain: [{id: a, prompt: 'keep {{ x }}'}]", "6:29: nothing is called 'x' here"),
    ("prompt: p\nchain: [{id: a, prompt: keep, images: [no.png]}]", "6:44: there is no file 'no.png'"),
    (
        "prompt: p\nchain: [{id: a, prompt: keep, images: [" + "photo.png, " * 16 + "]}]",
        "6:35: 16 images besides the picture before it",
    ),
    ("prompt: p\nchain: {id: a}", "6:5: 'chain' must be a list, not a mapping"),
    ("prompt: p\naccept: {size: maybe}", "6:20: 'size' must be any or exact, not 'maybe'"),
    ("prompt: p\npath: /etc/x", "6:11: the path leaves the output folder"),
    ("prompt: p\npath: a/../../x", "6:11: the path leaves the output folder"),
    ("prompt: p\npath: 'C:\\x'", "6:11: the path leaves the output folder"),
    ("prompt: p\npath: ''", "6:11: the path is empty"),
    ("prompt: p\npath: index", "6:11: 'index' is reserved for the sheet"),
    ("prompt: p\npath: Index.html", "6:11: 'Index.html' is reserved for the sheet"),
    ("prompt: p\npath: thumbs/x", "6:11: 'thumbs' is reserved for the sheet"),
    ("prompt: p\npath: contact-sheet", "6:11: 'contact-sheet' is reserved for the sheet"),
    ("prompt: p\nparams: {style: vivid}", "6:21: gpt-image-2 and style"),
    ("prompt: p\nparams: {size: 1920x1080}", "6:20: no multiple of 16 (use 1920x1088)"),
    ("prompt: p\nimages: [photo.png, photo.png, photo.png, photo.png]", "6:5: too many images for it"),
    ("prompt: " + "x" * 32001, "5:13: it has 32,001 characters before anything is filled in (32,000 at most)"),
]


@pytest.mark.parametrize(("shot", "said"), SHOTS)
def test_what_is_wrong_with_a_shot_is_told_at_its_place(folder: Folder, shot: str, said: str) -> None:
    folder.write("photo.png", "")
    (problem,) = folder.problems(shop(shot))
    assert problem.startswith(f"m.yaml:{said}")


MANY = """version: 1
name: shop
badget: {}
providers:
  p: {base_url: host, api_key: hunter2}
models: {m: {provider: q, model: x}}
sources:
  s: {file: none.csv, key: k}
  t: {file: bad.csv, key: k}
shots:
  one:
    promt: "{{ nothing }}"
    n: many
    matrix: {a: [x, x], b: {source: u}}
    where: "{{"
    model: n
    images: [gone.png]
    chain: [{id: e, prompt: "keep {{ c }}", n: 3}, {id: e}]
    path: ../x
  two: 5
budget: {per_run: 5 EUR}
run: {timezone: Europe/Berln}
"""


def test_everything_wrong_is_told_at_once_by_position_even_in_a_broken_shot(folder: Folder) -> None:
    folder.write("bad.csv", "k\nA\nA\n")
    problems = folder.problems(MANY)
    assert [problem.partition(": ")[0] for problem in problems] == [
        "m.yaml:3:1",  # badget
        "m.yaml:5:17",  # base_url
        "m.yaml:5:32",  # api_key
        "m.yaml:6:24",  # no provider q
        "m.yaml:8:13",  # no file
        "m.yaml:12:5",  # promt
        "m.yaml:13:8",  # n
        "m.yaml:14:21",  # x twice
        "m.yaml:14:37",  # no source u
        "m.yaml:15:12",  # where
        "m.yaml:16:12",  # no model n
        "m.yaml:17:14",  # gone.png
        "m.yaml:18:29",  # c
        "m.yaml:18:45",  # n of an edit
        "m.yaml:18:52",  # prompt missing
        "m.yaml:18:53",  # e twice
        "m.yaml:19:11",  # path
        "m.yaml:20:8",  # two
        "m.yaml:21:19",  # EUR
        "m.yaml:22:17",  # time zone
        "bad.csv:3:1",
    ]
    assert "hunter2" not in "".join(problems)
    assert all(problem.count("\n") == 0 for problem in problems)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version: 1\nname: caf\xe9\n", "m.yaml:2:10: byte 0xe9 is not UTF-8"),
        (b"\xff\xfev\x00e\x00", "m.yaml:1:1: byte 0xff is not UTF-8"),
        (b"version: 1\n# \x00\n", "m.yaml:2:3: character U+0000 is not allowed"),
        (b"a: " + b"x" * (16 * 1024 * 1024), "m.yaml: is larger than 16 MiB"),
        (b"a: [" * 5000, "m.yaml:1:"),
    ],
)
def test_files_that_cannot_be_read(folder: Folder, content: bytes, said: str) -> None:
    (problem,) = folder.problems(content)
    assert problem.startswith(said)


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    for name, said in (("none.yaml", "No such file"), (".", "Is a directory")):
        with pytest.raises(ManifestError, match=said):
            load(tmp_path / name, environ={}, catalogue=SmallCatalogue())


def test_an_error_of_the_defaults_is_told_once(folder: Folder) -> None:
    text = "version: 1\nname: x\ndefaults: {prompt: '{{ c }}', params: {style: 1}}\nshots: {a: {}, b: {}}\n"
    assert [problem.partition(" (")[0] for problem in folder.problems(text)] == [
        "m.yaml:3:20: nothing is called 'c' here",
        "m.yaml:3:47: gpt-image-2 and style",
    ]


@pytest.mark.parametrize(
    ("layer", "place"),
    [
        ("defaults: {params: {size: 1920x1080}}", "3:27"),
        ("models: {main: {model: gpt-image-2, params: {size: 1920x1080}}}", "3:52"),
    ],
)
def test_a_refused_parameter_is_told_where_it_was_said(folder: Folder, layer: str, place: str) -> None:
    text = f"version: 1\nname: x\n{layer}\nshots: {{a: {{prompt: p, chain: [{{id: e, prompt: keep}}]}}}}\n"
    assert folder.problems(text) == [f"m.yaml:{place}: no multiple of 16 (use 1920x1088)"]
    assert folder.problems(text.replace("prompt: p", "prompt: p, params: {size: ~}")) == []


def test_a_refused_parameter_of_an_edit_is_told_at_the_edit(folder: Folder) -> None:
    shot = "prompt: p\nparams: {size: 1024x1024}\nchain: [{id: e, prompt: keep, params: {size: 1920x1080}}]"
    assert folder.problems(shop(shot)) == ["m.yaml:7:50: no multiple of 16 (use 1920x1088)"]


def test_files_of_values_that_may_be_left_out_are_not_asked_for(folder: Folder) -> None:
    folder.write("a.png", "")
    shot = "prompt: keep\nimages: ['{{ a }}.png']\nmatrix: {a: [a, b]}\nexclude: [{a: b}]"
    assert folder.problems(shop(shot)) == []
    assert folder.problems(shop("prompt: keep\nimages: ['{{ a }}']\nmatrix: {a: ['https://h/x.png', a.png]}")) == []


def test_a_manifest_may_correct_the_catalogue_for_itself(folder: Folder) -> None:
    text = shop("prompt: p\nmodel: house-model") + "catalogue: {models: {house-model: {}}}\n"
    made = folder.load(text)
    assert made.shots[0].model == "house-model"
    assert made.catalogue == {"models": {"house-model": {}}}
    assert folder.problems(text.replace("models:", "modls:", 1)) == [
        "m.yaml:6:12: there is no model 'house-model' (name it under models:)",
        "m.yaml:8:1: catalogue: unknown key 'modls'",
    ]


def test_what_a_manifest_holds_cannot_break_a_line_or_reach_the_terminal(folder: Folder) -> None:
    (problem,) = folder.problems(shop('prompt: p\nmodel: "a\\e[31m\\nb' + "x" * 5000 + '"'))
    assert problem.startswith("m.yaml:6:12: there is no model 'a\\x1b[31m\\x0abxxx")
    assert len(problem) < 500
