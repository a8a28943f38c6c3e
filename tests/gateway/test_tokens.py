"""The token formula against every figure that is known."""

import pytest

from pipeline.gateway.models import output_tokens

TABLE = {
    (1024, 1024): (196, 439, 1756, 3122, 7024),
    (1536, 1024): (158, 343, 1372, 2459, 5488),
    (1024, 1536): (158, 343, 1372, 2459, 5488),
    (2048, 2048): (397, 892, 3568, 6343, 14272),
    (2048, 1152): (157, 367, 1413, 2511, 5650),
    (2560, 1440): (205, 478, 1843, 3276, 7370),
    (3840, 2160): (371, 865, 3336, 5930, 13342),
}


@pytest.mark.parametrize(("size", "tokens"), TABLE.items())
def test_output_tokens_are_the_published_ones(size: tuple[int, int], tokens: tuple[int, ...]) -> None:
    by_quality = [
        output_tokens("gpt-image-2.5-flare", quality, *size) for quality in ("low", "medium", "high", "xhigh", "max")
    ]
    assert tuple(by_quality) == tokens
    older = [output_tokens("gpt-image-2", quality, *size) for quality in ("low", "medium", "high")]
    assert tuple(older) == (tokens[0], tokens[2], tokens[4])
