"""The document says what the data says."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pipeline.catalogue import DatedCatalogue, load_catalogue
from pipeline.catalogue.checks import MISPLACED, SOON
from pipeline.catalogue.entries import ModelEntry, ParamRule, ProviderEntry
from tests.catalogue.conftest import TODAY
from tests.catalogue.tables import DOCUMENT, filled


def test_the_tables_of_the_document_are_those_of_the_data(catalogue: DatedCatalogue) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == filled(text, catalogue), "run: python -m tests.catalogue.tables"


@pytest.mark.parametrize(
    ("heading", "entry"),
    [("Keys of a provider", ProviderEntry), ("Keys of a model", ModelEntry), ("Keys of a parameter's rule", ParamRule)],
)
def test_every_key_of_the_data_is_explained(heading: str, entry: type[ProviderEntry | ModelEntry | ParamRule]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    section = text.split(f"### {heading}\n")[1].split("\n##")[0]
    explained = {
        word for row in re.findall(r"^\| (.*?) \|", section, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)
    }
    left = {each.name for each in fields(entry)} - explained
    assert left <= {"title", "maker"}


def test_what_the_document_says_of_the_rules_is_so() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert f"From {SOON} days before its end" in text
    assert all(f"`{name}`" in text for name in MISPLACED)


def test_the_example_of_the_document_is_read_without_a_fault(tmp_path: Path) -> None:
    example = DOCUMENT.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    file = tmp_path / "catalogue.yaml"
    file.write_text(example, encoding="utf-8")
    catalogue = load_catalogue(user_file=file, today=TODAY)
    house = catalogue.profile("house")
    assert house is not None
    assert (house.edits, house.options, house.base_url) == ("none", "newapi", "https://images.example.com/v1")
    quote = catalogue.quote(house, "gpt-image-3", {}, prompt_chars=0, input_sizes=[], count=1)
    assert quote is not None
    assert quote.expected > 0
    clauddy = catalogue.profile("clauddy")
    assert clauddy is not None
    flat = catalogue.quote(clauddy, "our-image-model", {}, prompt_chars=100, input_sizes=[], count=2)
    assert flat is not None
    assert flat.expected == 80_000
