import base64
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.formparsers import MultiPartParser
from starlette.requests import Request

from pipeline.domain.capability import Profile
from pipeline.domain.digest import Json
from pipeline.domain.errors import BadRequest
from pipeline.provider import endpoint_for
from pipeline.provider.body import FilePart, Slot, form_fields, json_body, multipart_body
from tests.provider.asking import answering, asked
from tests.provider.hosts import BIG, KEY, PNG, PNG_2, Flight, Host, prepared, request, spec

pytestmark = pytest.mark.anyio


async def form_of(host: Host) -> list[tuple[str, str | tuple[str | None, str | None, bytes]]]:
    """The multipart request as a real parser reads it."""
    sent = host.requests[-1]

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": sent.content, "more_body": False}

    scope = {"type": "http", "method": "POST", "headers": [(k.lower(), v) for k, v in sent.headers.raw]}
    incoming = Request(scope, receive)
    found: list[tuple[str, str | tuple[str | None, str | None, bytes]]] = []
    form = await MultiPartParser(incoming.headers, incoming.stream()).parse()
    for name, value in form.multi_items():
        if isinstance(value, str):
            found.append((name, value))
        else:
            found.append((name, (value.filename, value.content_type, await value.read())))
    await form.close()
    return found


async def test_a_generation_is_compact_json_with_every_parameter_by_its_name() -> None:
    params: dict[str, Json] = {"size": "2048x2048", "quality": "high", "background": "transparent", "moderation": "low",
                               "output_format": "webp", "output_compression": 80, "svg": {"model": "x"}}  # fmt: skip
    host = await asked(request("ein B\u00e4r \u2603", params=params))
    assert host.requests[-1].url.path == "/v1/images/generations"
    assert host.requests[-1].headers["content-type"] == "application/json"
    assert host.said == {"model": "gpt-image-2", "prompt": "ein B\u00e4r \u2603", "n": 1, **params}
    assert "\u2603".encode() in host.requests[-1].content


async def test_n_is_the_number_of_pictures_asked_for() -> None:
    assert (await asked(request(count=4, n=9))).said["n"] == 4


@pytest.mark.parametrize(
    ("wanted", "given_param", "sent"),
    [(None, None, None), ("b64_json", None, "b64_json"), ("url", "b64_json", "b64_json"), (None, "url", "url")],
)
async def test_response_format_is_sent_only_where_it_is_wanted(
    wanted: str | None, given_param: str | None, sent: str | None
) -> None:
    profile = Profile(name="p", response_format=wanted)  # type: ignore[arg-type]
    host = await asked(request(params={"response_format": given_param} if given_param else {}), profile)
    assert host.said.get("response_format") == sent


@pytest.mark.parametrize(
    ("works", "stream", "params", "sent"),
    [
        (False, "auto", {}, None),
        (True, "auto", {}, 1),
        (True, "off", {}, None),
        (True, "off", {"stream": True}, None),
        (True, "auto", {"partial_images": 3}, 3),
        (True, "auto", {"partial_images": 0}, 0),
        (True, "auto", {"stream": False, "partial_images": 2}, None),
        (False, "auto", {"stream": True}, 1),
        (False, "auto", {"partial_images": 2}, None),
    ],
)
async def test_partial_images_are_asked_for_only_where_they_work(
    works: bool, stream: str, params: dict[str, Json], sent: int | None
) -> None:
    host = await asked(request(params=params), Profile(name="p", stream=works), stream=stream)
    assert host.said.get("stream") == (None if sent is None else True)
    assert host.said.get("partial_images") == sent
    assert ("text/event-stream" in host.requests[-1].headers["accept"]) is (sent is not None)


async def test_an_edit_of_one_picture_is_a_form_with_texts_first(tmp_path: Path) -> None:
    photo = prepared(tmp_path, name="photo.jpg")
    host = await asked(request("mach es \u201erot\u201c\r\n", inputs=(photo,), size="1024x1024", output_compression=50))
    assert host.requests[-1].url.path == "/v1/images/edits"
    assert await form_of(host) == [
        ("model", "gpt-image-2"),
        ("prompt", "mach es \u201erot\u201c\r\n"),
        ("n", "1"),
        ("size", "1024x1024"),
        ("output_compression", "50"),
        ("image", ("photo.jpg", "image/jpeg", PNG)),
    ]
    assert int(host.requests[-1].headers["content-length"]) == len(host.requests[-1].content)


@pytest.mark.parametrize(
    ("field", "one", "several"),
    [("standard", "image", "image[]"), ("image", "image", "image"), ("image[]", "image[]", "image[]")],
)
async def test_pictures_are_named_as_the_host_wants_them(tmp_path: Path, field: str, one: str, several: str) -> None:
    profile = Profile(name="p", image_field=field)  # type: ignore[arg-type]
    first = prepared(tmp_path, name="1.png")
    second = prepared(tmp_path, PNG_2, name="2.png")
    mask = prepared(tmp_path, BIG, name="mask.png", role="mask")
    names = [name for name, _ in await form_of(await asked(request(inputs=(first, mask)), profile))]
    assert names[3:] == [one, "mask"]
    files = (await form_of(await asked(request(inputs=(first, mask, second)), profile)))[3:]
    assert [name for name, _ in files] == [several, several, "mask"]
    assert [value[2] for _, value in files if isinstance(value, tuple)] == [PNG, PNG_2, BIG]


async def test_sixteen_pictures_go_in_their_order(tmp_path: Path) -> None:
    inputs = tuple(prepared(tmp_path, PNG + bytes([i]), name=f"{i}.png") for i in range(16))
    files = [value for _, value in await form_of(await asked(request(inputs=inputs))) if isinstance(value, tuple)]
    assert [data[-1] for _, _, data in files] == list(range(16))


async def test_an_edit_as_json_carries_data_urls(tmp_path: Path) -> None:
    profile = Profile(name="p", edits="json")
    inputs = (prepared(tmp_path), prepared(tmp_path, BIG, name="b.png"), prepared(tmp_path, name="m.png", role="mask"))
    said = (await asked(request(inputs=inputs), profile)).said
    images, mask = said["images"], said["mask"]
    assert isinstance(images, list)
    urls = [item["image_url"] for item in [*images, mask] if isinstance(item, dict)]
    assert urls == ["data:image/png;base64," + base64.b64encode(data).decode() for data in (PNG, BIG, PNG)]


async def test_a_host_without_edits_is_not_asked(tmp_path: Path) -> None:
    host = answering()
    endpoint = endpoint_for(spec(profile=Profile(name="p", edits="none")), "images", KEY, host.transport)
    flight = Flight()
    with pytest.raises(BadRequest):
        await endpoint.post(request(inputs=(prepared(tmp_path),)), flight)
    assert (host.requests, flight.steps) == ([], [])


def test_the_same_request_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    one = [b"".join(multipart_body([("prompt", "x")], [("image", prepared(tmp_path))]).chunks()) for _ in range(2)]
    assert one[0] == one[1]


def test_large_inputs_are_read_piece_by_piece(tmp_path: Path) -> None:
    photo = prepared(tmp_path, b"\x89PNG" + b"x" * 2_000_000)
    for base64_too in (False, True):
        part = FilePart(path=photo.path, size=photo.size, base64=base64_too)
        chunks = list(part.chunks())
        assert max(map(len, chunks)) <= 262_144
        assert sum(map(len, chunks)) == part.length
        data = b"".join(chunks)
        assert (base64.b64decode(data) if base64_too else data) == photo.path.read_bytes()


def test_fields_of_a_form_are_spelled_as_the_official_library_spells_them() -> None:
    params: dict[str, Json] = {
        "a": True,
        "b": False,
        "c": 3,
        "d": None,
        "svg": {"reasoning": {"effort": "low"}},
        "tags": ["x", "y"],
    }
    assert form_fields(params) == [
        ("a", "true"),
        ("b", "false"),
        ("c", "3"),
        ("svg[reasoning][effort]", "low"),
        ("tags[]", "x"),
        ("tags[]", "y"),
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.integers() | st.text(), st.lists), max_size=4))
def test_any_json_is_sent_as_it_is(value: dict[str, Json]) -> None:
    body = json_body(value)
    sent = b"".join(body.chunks())
    assert len(sent) == body.length
    expected = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    assert json.loads(sent) == json.loads(expected)


def test_a_text_that_is_the_mark_of_a_picture_is_only_a_text(tmp_path: Path) -> None:
    body = json_body({"prompt": "\x00picture 0\x00", "url": Slot(prepared(tmp_path)), "user": "\x00picture 1\x00"})
    sent = json.loads(b"".join(body.chunks()))
    assert sent["url"] == "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert (sent["prompt"], sent["user"]) == ("\x00picture 0\x00", "\x00picture 1\x00")
