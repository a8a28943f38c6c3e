"""What providers and models can do, cost and when they end: dated YAML data and its reader.

    catalogue = load_catalogue(today=date(2026, 11, 21), user_file=Path("catalogue.yaml"))
    profile = catalogue.profile("clauddy")
    catalogue.check(profile, "gpt-image-2", {"size": "1920x1080"}, images=0, mask=False)   # use 1920x1088
    catalogue.quote(profile, "gpt-image-2", {"quality": "high"}, prompt_chars=300, input_sizes=[], count=1)

A manifest's own data is laid over with ``catalogue.overridden(data)``. Where a model says another protocol than its
provider, give ``check`` a profile with that protocol (``dataclasses.replace``).
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pipeline.catalogue.data import packaged, read_document
from pipeline.catalogue.dated import DatedCatalogue

__all__ = ["DatedCatalogue", "load_catalogue"]


def load_catalogue(
    extra: Mapping[str, object] | None = None, user_file: Path | None = None, *, today: date
) -> DatedCatalogue:
    """The catalogue as of *today*: the packaged data, then *user_file*, then *extra* (a manifest's), key by key.

    Blocks (reads files). Raises ManifestError with every fault of the user's data, at its line and column.
    """
    documents = [packaged("providers.yaml"), packaged("models.yaml")]
    if user_file is not None:
        documents.append(read_document(user_file))
    catalogue = DatedCatalogue(documents, today)
    return catalogue.overridden(extra) if extra else catalogue
