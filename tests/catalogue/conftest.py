"""The packaged catalogue on the day its facts were read."""

from datetime import date

import pytest

from pipeline.catalogue import DatedCatalogue, load_catalogue

TODAY = date(2026, 11, 21)


@pytest.fixture(scope="session")
def catalogue() -> DatedCatalogue:
    return load_catalogue(today=TODAY)
