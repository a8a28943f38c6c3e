"""The JSON Schema for editors, held to manifests."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pipeline.manifest import json_schema
from pipeline.manifest.scalars import as_json
from pipeline.manifest.yaml_text import parse
from tests.manifest.test_loading import SHOTS
from tests.manifest.world import Folder, shop

JOBS = sorted((Path(__file__).parents[2] / "jobs").glob("*.yaml"))
EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.yaml"))


def faults(text: str) -> list[str]:
    data = as_json(parse(text, "m.yaml")[0].data)
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(json_schema()).iter_errors(data)]


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("file", [*JOBS, *EXAMPLES], ids=lambda file: file.name)
def test_every_example_holds_to_the_schema(file: Path) -> None:
    assert faults(file.read_text()) == []


def test_there_are_examples() -> None:
    assert len(JOBS) >= 3
    assert EXAMPLES


@pytest.mark.parametrize(
    "shot", [shot for shot, said in SHOTS if "unknown key" in said or ("must be" in said and "axis" not in said)]
)
def test_what_the_schema_can_tell_it_tells(folder: Folder, shot: str) -> None:
    if ".nan" not in shot:
        assert bool(faults(shop(shot))) or "must be 1 to" in str(folder.problems(shop(shot)))


def test_every_key_has_words_for_the_editor() -> None:
    schema = json_schema()
    for name, definition in {"manifest": schema, **schema["$defs"]}.items():
        assert definition.get("description"), name
        for key, entry in definition.get("properties", {}).items():
            assert entry.get("description") or "$ref" in entry, f"{name}.{key}"
            assert not _titles(entry), f"{name}.{key}"


def _titles(entry: Mapping[str, object]) -> bool:
    return "title" in entry


def test_editors_may_offer_the_words_of_a_choice() -> None:
    definitions = json_schema()["$defs"]
    assert definitions["ProviderEntry"]["properties"]["on_unknown"]["enum"] == ["hold", "retry"]
    assert "openai" in definitions["ProviderEntry"]["properties"]["preset"]["examples"]
