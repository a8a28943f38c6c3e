"""Gateway and provider are inverses: what one says the other understands, for requests, results and errors."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.capability import Profile, Timeout
from pipeline.domain.errors import OutcomeUnknown, ProviderError
from pipeline.domain.request import Answer, ImageRequest, Prepared
from pipeline.gateway.answers import tokens_of
from pipeline.gateway.app import make_app
from pipeline.gateway.config import GatewayConfig, ProfileName
from pipeline.gateway.inputs import Input, decode
from pipeline.gateway.order import Order
from pipeline.gateway.profiles import PROFILES
from pipeline.gateway.reading import Upload
from pipeline.gateway.sketch import draw
from pipeline.provider import endpoint_for, in_process
from pipeline.wire import GENUINE
from tests.gateway.peers import lenient, png
from tests.provider.hosts import KEY, Flight, prepared, request, spec

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=60).filter(
    lambda text: bool(text.strip()) and "[[" not in text
)
PARAMS = st.fixed_dictionaries(
    {
        "size": st.sampled_from(["8x8", "33x17", "64x64"]),
        "output_format": st.sampled_from(["png", "jpeg", "webp"]),
        "quality": st.sampled_from(["low", "medium", "high"]),
    },
    optional={"background": st.sampled_from(["transparent", "opaque"])},
)


async def answered(asked: ImageRequest, config: GatewayConfig, **changes: Any) -> tuple[Answer, dict[str, Any]]:
    """What the provider reads from the gateway, and the gateway's own log of the request."""
    app = make_app(config)
    flight = Flight()
    endpoint = endpoint_for(spec("http://sketch/v1", **changes), asked.protocol, KEY, in_process(app))
    try:
        await endpoint.post(asked, flight)
        answer = endpoint.read(flight.heads[0], flight.body)
    finally:
        await endpoint.aclose()
    return answer, app.state.gateway.stats.as_json()["log"][0]


def entry(of: Prepared) -> Input:
    data = of.path.read_bytes()
    upload = Upload(name="image", filename=of.filename, media_type=of.media_type, data=data, digest=of.digest)
    return decode(upload, "image", PROFILES["lenient"])


def meant(asked: ImageRequest, params: Mapping[str, Any], *, streamed: bool) -> Order:
    """The order a request means, made without any wire."""
    width, height = map(int, params["size"].split("x"))
    transparent = params.get("background") == "transparent" and params["output_format"] != "jpeg"
    return Order(
        route="edits" if asked.is_edit else "generations",
        model=asked.model,
        prompt=asked.prompt,
        width=width,
        height=height,
        n=asked.count,
        quality=params["quality"],
        background="transparent" if transparent else "opaque",
        output_format=params["output_format"],
        stream=streamed,
        partials=1 if streamed else 0,
        inputs=tuple(entry(of) for of in asked.inputs if of.role == "image"),
        mask=next((entry(of) for of in asked.inputs if of.role == "mask"), None),
    )


@settings(max_examples=40, deadline=None)
@given(
    prompt=TEXT,
    params=PARAMS,
    count=st.integers(1, 3),
    colours=st.lists(st.tuples(*[st.integers(0, 255)] * 3), max_size=3),
    masked=st.booleans(),
    edits=st.sampled_from(["multipart", "json"]),
    streamed=st.booleans(),
)
def test_a_request_arrives_as_it_was_meant_and_its_pictures_come_back(  # noqa: PLR0917 -- hypothesis names them
    prompt: str, params: dict[str, Any], count: int, colours: list[tuple[int, int, int]], masked: bool, edits: Any,
    streamed: bool,
) -> None:  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        inputs = [prepared(Path(folder), png(16, 16, colour), name=f"{n}.png") for n, colour in enumerate(colours)]
        if inputs and masked:
            inputs.append(prepared(Path(folder), png(16, 16, (0, 0, 0, 0)), name="mask.png", role="mask"))
        asked = request(prompt, inputs=tuple(inputs), count=count, params=params)
        order = meant(asked, params, streamed=streamed)
        profile = Profile(name="lenient", edits=edits, stream=streamed)
        answer, log = anyio.run(lambda: answered(asked, lenient(inline=True), profile=profile))
    assert log["prompt"] == prompt
    assert [(one["sha256"], one["media_type"]) for one in log["inputs"]] == [
        (of.digest, of.media_type) for of in inputs if of.role == "image"
    ]
    assert [picture.data for picture in answer.pictures] == [draw(order, k, 0).data for k in range(count)]
    assert answer.sketch
    assert answer.request_id == log["request_id"]
    assert (answer.resolved["size"], answer.resolved["output_format"]) == (params["size"], params["output_format"])
    tokens = tokens_of(order)
    assert answer.usage is not None
    assert answer.usage.image_out == tokens.image_out


@pytest.mark.anyio
@pytest.mark.parametrize("kind", GENUINE)
@pytest.mark.parametrize("profile", ["openai", "newapi", "lenient"])
async def test_every_class_of_error_comes_back_as_itself(kind: type[ProviderError], profile: ProfileName) -> None:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()
    asked = request(f"x [[fault:{name}]]", size="1024x1024", quality="low")
    with pytest.raises(ProviderError) as caught:
        await answered(asked, GatewayConfig(profile=profile))
    assert type(caught.value) is kind
    said = caught.value.answered
    assert (said.status, said.code, said.type) == (GENUINE[kind].status, GENUINE[kind].code or "", GENUINE[kind].type)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "fault",
    ["drop", "reset", "truncated", "stall", "stall_body", "bad_gateway", "ok_html", "empty_data", "broken_base64"],
)
async def test_what_may_have_been_billed_is_unknown(fault: str) -> None:
    with pytest.raises(OutcomeUnknown):
        await answered(
            request(f"x [[fault:{fault}]]", size="8x8"), lenient(), timeout=Timeout(connect=1, total=0.3, idle=0.3)
        )


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["data_url", "urlsafe", "unpadded", "wrapped", "blanks", "no_created", "padding"])
async def test_an_odd_spelling_brings_the_same_picture(fault: str) -> None:
    asked = request(f"x [[fault:{fault}]]", size="8x8", output_format="png", quality="low")
    answer, _ = await answered(asked, lenient())
    order = meant(asked, {"size": "8x8", "output_format": "png", "quality": "low"}, streamed=False)
    assert [picture.data for picture in answer.pictures] == [draw(order, 0, 0).data]


@pytest.mark.anyio
@pytest.mark.parametrize("shape", ["a", "b", "c", "d", "e"])
@pytest.mark.parametrize("streamed", [True, False])
async def test_every_shape_of_a_chat_brings_the_picture(shape: Any, streamed: bool) -> None:
    asked = request("a banana", protocol="chat", size="64x64")
    profile = Profile(name="chat", protocol="chat", stream=streamed)
    answer, log = await answered(asked, lenient(chat_shape=shape), profile=profile, protocol="chat")
    assert log["path"] == "/chat/completions"
    assert len(answer.pictures) == 1
    assert (answer.pictures[0].url != "") == (shape == "c")
    assert shape == "c" or answer.pictures[0].data.startswith(b"\x89PNG")
