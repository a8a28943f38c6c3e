"""The manifest reference is what the schema says."""

from tests.docs.reference import PAGE, reference


def test_the_reference_is_written_from_the_schema() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "python -m tests.docs.reference writes it anew"


def test_no_key_is_without_a_word_on_it() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert [row for row in rows if row.split("|")[2].strip() == ""] == []
