"""Feeds: rows as values, a row's fault apart from the file's."""

import json
import time

import pytest

from pipeline.manifest.model import Source
from tests.manifest.world import Folder

HEAD = "version: 1\nname: shop\n"


def manifest(file: str, *, key: str = "sku", prompt: str = "{{ product.title }}", extra: str = "") -> str:
    source = f"sources: {{products: {{file: {file}, key: {key}{extra}}}}}\n"
    shot = f"shots: {{hero: {{matrix: {{product: {{source: products}}}}, prompt: '{prompt}'}}}}\n"
    return HEAD + source + shot


def source_of(folder: Folder, name: str, content: str | bytes, **options: str) -> Source:
    folder.write(name, content)
    return folder.load(manifest(name, **options)).sources["products"]


ROWS = [
    ("p.csv", "sku,title\nA,Cup\nB,Mug\n"),
    ("p.csv", "\ufeffsku;title\r\nA;Cup\r\nB;Mug\r\n"),
    ("p.csv", "sku\ttitle\nA\tCup\nB\tMug\n"),
    ("p.csv", '"sku"|"title"\n"A"|"Cup"\n"B"|"Mug"'),
    ("p.csv", " sku , title ,\n A ,Cup,\n\nB,Mug,\n"),
    ("p.tsv", "sku\ttitle\nA\tCup\nB\tMug\n"),
    ("p.json", '[{"sku": "A", "title": "Cup"}, {"sku": "B", "title": "Mug"}]'),
    ("p.json", '{"A": {"title": "Cup"}, "B": {"title": "Mug"}}'),
    ("p.jsonl", '{"sku": "A", "title": "Cup"}\n\n{"sku": "B", "title": "Mug"}'),
    ("p.yaml", "- {sku: A, title: Cup}\n- {sku: B, title: Mug}\n"),
    ("p.yml", "A: {title: Cup}\nB: {title: Mug}\n"),
]


@pytest.mark.parametrize(("name", "content"), ROWS)
def test_every_kind_of_feed_gives_the_same_rows(folder: Folder, name: str, content: str) -> None:
    source = source_of(folder, name, content)
    assert [(row.key, row.slug, row.text, row.fields["title"], row.problem) for row in source.rows] == [
        ("A", "A", "A", "Cup", ""),
        ("B", "B", "B", "Mug", ""),
    ]
    assert source.total == 2
    assert folder.warnings(manifest(name)) == []


def test_cells_of_a_table_are_texts_and_an_empty_one_is_false(folder: Folder) -> None:
    rows = source_of(folder, "p.csv", 'sku,title,n\nA,"a ""b"",\nc",007\nB,x,\n').rows
    assert rows[0].fields == {"sku": "A", "title": 'a "b",\nc', "n": "007"}
    assert rows[1].fields["n"] == ""


def test_numbers_of_other_feeds_stay_numbers_and_print_as_written(folder: Folder) -> None:
    (row,) = source_of(folder, "p.json", '[{"sku": 17, "title": "x", "price": 1.10}]').rows
    assert (row.key, str(row.fields["price"]), row.fields["price"]) == ("17", "1.10", 1.1)
    (row,) = source_of(folder, "p.yaml", "- {sku: 1.10, title: 007, price: 1.10}").rows
    assert (row.key, str(row.fields["title"]), row.fields["title"]) == ("1.10", "007", 7)


def test_the_condition_of_a_source_sees_columns_and_the_row(folder: Folder) -> None:
    content = "sku,title,active\nA,x,yes\nB,y,no\nC,z,yes\n"
    for where in ("active == 'yes'", "row.active == 'yes' and title"):
        source = source_of(folder, "p.csv", content, extra=f', where: "{where}"')
        assert [row.key for row in source.rows] == ["A", "C"]
        assert source.total == 3


def test_a_digest_tells_rows_apart_and_nothing_else(folder: Folder) -> None:
    one = source_of(folder, "p.csv", "sku,title\nA,Cup\nB,Mug\n").digests
    other = source_of(folder, "p.csv", "title;sku\nMug;B\nCap;A\n").digests
    assert list(one) == ["A", "B"]
    assert one["B"] == other["B"]
    assert one["A"] != other["A"]


def test_a_guard_is_read_in_shares(folder: Folder) -> None:
    extra = ", guard: {min_rows: 2, max_changed: 25%, max_removed: 0.05}"
    guard = source_of(folder, "p.csv", "sku,title\nA,x\n", extra=extra).guard
    assert guard is not None
    assert (guard.min_rows, guard.max_changed, guard.max_removed) == (2, 0.25, 0.05)


FILES = [
    ("p.csv", None, "m.yaml:3:28: there is no file p.csv (check the path)"),
    ("p.txt", "a", "p.txt: '.txt' files are not read (use .csv"),
    ("p.csv", "", "p.csv: the file is empty"),
    ("p.csv", "\n \n", "p.csv: the file is empty"),
    ("p.csv", b"sku,title\nA,caf\xe9\n", "p.csv:2:6: byte 0xe9 is not UTF-8"),
    ("p.csv", "id,title\nA,x\n", "p.csv:1:1: there is no column 'sku' (there are id, title)"),
    ("p.csv", "skuu,title\nA,x\n", "p.csv:1:1: there is no column 'sku' (did you mean 'skuu'?)"),
    ("p.csv", "sku,title,title\nA,x,y\n", "p.csv:1:1: the column 'title' is there twice"),
    ("p.csv", 'sku,title\nA,"x\nB,y\n', "p.csv:2:1: the quoting is broken"),
    ("p.csv", "sku,title\nA,x\nB,y\nA,z\n", "p.csv:4:1: the key 'A' is already in line 2"),
    ("p.csv", "sku,title\nA/1,x\nA-1,y\n", "p.csv:3:1: the keys 'A-1' and 'A/1' (line 2) would be one path"),
    ("p.csv", "sku,title\na,x\nA,y\n", "p.csv:3:1: the keys 'A' and 'a' (line 2) would be one path"),
    ("p.json", "[{]", "p.json:1:3: is not JSON"),
    ("p.json", '[\n{"sku": "A", "title": "x"}\n{"sku": "B"}]', "p.json:3:1: is not JSON: one of , ] is expected"),
    ("p.json", '{"rows": [{"sku": "A"}]}', "p.json:1:1: holds no rows: the first is not an object"),
    ("p.json", '[{"sku": "A", "title": "x"}] x', "p.json:1:1: something follows the list"),
    ("p.json", '[{"sku": "A", "sku": "B"}]', "p.json:1:1: cannot be used: 'sku' is given twice"),
    ("p.json", '[{"sku": "A", "n": NaN}]', "p.json:1:1: cannot be used: NaN is not JSON"),
    ("p.json", '{"A": {"title": "x"}, "A": {"title": "y"}}', "p.json:1:1: the key 'A' is already in line 1"),
    ("p.json", '"A"', "p.json:1:1: is not JSON: one of [ { is expected"),
    ("p.json", "[" * 100_000, "p.json:1:1: cannot be used"),
    ("p.json", '[{"id": "A", "title": "x"}]', "p.json:1:1: no row has a field 'sku'"),
    ("p.jsonl", "nope", "p.jsonl:1:1: holds no rows: the first is not a JSON object"),
    ("p.yaml", "a: [b", "p.yaml:2:1: a ',' or the closing bracket is missing"),
    ("p.yaml", "- {sku: A, title: x}\n- {sku: A, title: y}", "p.yaml:2:1: the key 'A' is already in line 1"),
    ("p.yaml", "A: {title: x}\nA: {title: y}", "p.yaml:2:1: 'A' is given twice"),
    ("p.yaml", "- !x {sku: A}", "p.yaml:1:3: custom tags are not allowed"),
    ("p.yaml", "words", "p.yaml:1:1: is neither a list nor a mapping of rows"),
]


@pytest.mark.parametrize(("name", "content", "said"), FILES)
def test_a_fault_of_the_file_stops_everything(
    folder: Folder, name: str, content: str | bytes | None, said: str
) -> None:
    if content is not None:
        folder.write(name, content)
    (problem,) = folder.problems(manifest(name))
    assert problem.startswith(said)


ROW_FAULTS = [
    ("p.csv", "sku,title\nA,x\nB\n", "B", "p.csv:3:1: the row has 1 of 2 cells"),
    ("p.csv", "sku,title\nA,x\nB,y,z\n", "B", "p.csv:3:1: the row has 3 cells where the header has 2"),
    ("p.csv", "sku,title\nA,x\n ,y\n", "row 2", "p.csv:3:1: the row has no 'sku'"),
    ("p.csv", 'sku,title\n"A","x\ny"\n,z\n', "row 2", "p.csv:4:1: the row has no 'sku'"),
    ("p.json", '[{"sku": "A", "title": "x"},\n3]', "row 2", "p.json:2:1: the row is not an object with fields"),
    (
        "p.json",
        '[{"sku": "A", "title": "x"},\n{"sku": null, "title": "y"}]',
        "row 2",
        "p.json:2:1: the row has no 'sku'",
    ),
    (
        "p.json",
        '[{"sku": "A", "title": "x"},\n{"sku": [1], "title": "y"}]',
        "row 2",
        "p.json:2:1: the row has no 'sku'",
    ),
    ("p.jsonl", '{"sku": "A", "title": "x"}\n{"sku":', "row 2", "p.jsonl:2:1: the row is not a JSON object"),
    (
        "p.yaml",
        "- {sku: A, title: x}\n- {sku: B, title: .nan}",
        "row 2",
        "p.yaml:2:1: the row cannot be used: .nan is not a number",
    ),
]


@pytest.mark.parametrize(("name", "content", "key", "said"), ROW_FAULTS)
def test_a_fault_of_a_row_is_that_rows_alone(folder: Folder, name: str, content: str, key: str, said: str) -> None:
    rows = source_of(folder, name, content).rows
    assert [(row.key, bool(row.problem)) for row in rows] == [("A", False), (key, True)]
    assert said.partition(": ")[2] in rows[1].problem
    assert rows[1].problem.startswith(str(folder.root / name))
    (warning,) = folder.warnings(manifest(name))
    assert warning.startswith(said)
    assert folder.problems(manifest(name), strict=True)[0].startswith(said)


def test_a_row_that_the_condition_cannot_judge_has_a_problem(folder: Folder) -> None:
    content = '[{"sku": "A", "live": true}, {"sku": "B", "title": "y"}, {"sku": "C", "live": false}]'
    rows = source_of(folder, "p.json", content, extra=", where: live", prompt="{{ product }}").rows
    assert [(row.key, bool(row.problem)) for row in rows] == [("A", False), ("B", True)]


def test_a_column_that_no_row_has_is_an_error_where_it_is_used(folder: Folder) -> None:
    folder.write("p.csv", "sku,title,active\nA,x,yes\n")
    assert folder.problems(manifest("p.csv", prompt="{{ product.titel }}")) == [
        "m.yaml:4:63: 'product' has no field 'titel' (did you mean 'title'?)"
    ]
    assert folder.problems(manifest("p.csv", extra=", where: \"activ == 'yes'\"")) == [
        "m.yaml:3:52: no row has a column 'activ' (did you mean 'active'?)"
    ]


def test_rows_without_a_field_that_others_have_carry_the_problem_in_that_shot_alone(folder: Folder) -> None:
    folder.write("p.json", '[{"sku": "A", "title": "x", "photo": "a.png"}, {"sku": "B", "title": "y"}]')
    other = ", other: {matrix: {product: {source: products}}, prompt: '{{ product.title }}'}}\n"
    text = manifest("p.json", prompt="{{ product.photo }}").removesuffix("}\n") + other
    made = folder.load(text)
    assert [value.problem for value in made.shots[0].axes[0].values] == ["", "the row 'B' has no photo"]
    assert [value.problem for value in made.shots[1].axes[0].values] == ["", ""]
    (warning,) = made.warnings
    said = "m.yaml:4:25: 1 of 2 rows of 'products' lack a field: the row 'B' has no photo"
    assert folder.shown(warning) == f"{said} (correct the feed, or use the filter default(''))"
    assert folder.problems(text, strict=True)
    assert folder.load(manifest("p.json", prompt="{{ product.photo | default(0) }}")).warnings == ()


def test_rows_that_a_manifest_names_and_the_feed_lacks_are_no_error(folder: Folder) -> None:
    folder.write("p.csv", "sku,title\nA,x\n")
    text = manifest("p.csv").replace("prompt:", "exclude: [{product: OLD}], include: [{product: GONE}], prompt:")
    made = folder.load(text)
    assert [(value.key, value.problem) for (value,) in made.shots[0].include] == [
        ("GONE", "the feed has no row 'GONE'")
    ]
    assert len(made.warnings) == 2


def test_a_condition_that_no_row_meets_is_a_warning(folder: Folder) -> None:
    folder.write("p.csv", "sku,title\nA,x\n")
    (warning,) = folder.warnings(
        manifest("p.csv", extra=", where: title == 'y'").replace("title == 'y'", "\"title == 'y'\"")
    )
    assert warning.startswith("m.yaml:3:11: no row of p.csv counts")


def test_a_feed_of_20_000_rows_loads_in_a_second_of_cpu(folder: Folder) -> None:
    lines = [f"SKU-{number},Title {number},material {number % 7},A,photos/{number}.jpg,yes" for number in range(20_000)]
    folder.write("p.csv", "sku,title,material,tier,photo,active\n" + "\n".join(lines))
    began = time.process_time()
    made = folder.load(manifest("p.csv", extra=", where: \"active == 'yes'\""))
    assert len(made.sources["products"].rows) == 20_000
    assert time.process_time() - began < 2.0  # 1 s on an idle machine; the bound is for busy ones


def test_a_json_feed_keeps_the_line_of_each_row(folder: Folder) -> None:
    rows = [{"sku": f"S{number}", "title": "x"} for number in range(3)] + [{"title": "no key"}]
    folder.write("p.json", "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")
    (warning,) = folder.warnings(manifest("p.json"))
    assert warning.startswith("p.json:5:1: the row has no 'sku'")
