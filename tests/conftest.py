"""What every test may ask for."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of asynchronous tests; virtual-time tests name trio's MockClock themselves."""
    return "asyncio"
