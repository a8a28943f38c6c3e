"""The gateway on a real port: connections really cut, signals, the official client, curl."""

import base64
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from pipeline.domain.errors import UserError
from pipeline.gateway.config import GatewayConfig
from pipeline.gateway.serve import bind
from tests.gateway.peers import ASK, events, opened, png, served


@pytest.fixture(scope="module")
def strict() -> Iterator[str]:
    with served(GatewayConfig()) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def relaxed() -> Iterator[str]:
    with served(GatewayConfig(profile="lenient")) as base_url:
        yield base_url


@pytest.fixture
def client(strict: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=strict, api_key="sk-test", max_retries=0) as made:
        yield made


def b64(answer: openai.types.ImagesResponse, number: int = 0) -> bytes:
    assert answer.data is not None
    return base64.b64decode(answer.data[number].b64_json or "")


def test_the_openai_package_generates(client: openai.OpenAI) -> None:
    answer = client.images.generate(
        model="gpt-image-2", prompt="a cute cat sitting on the moon", size="1536x1024", quality="low", n=2
    )
    assert opened(b64(answer)).size == (1536, 1024)
    assert b64(answer, 0) != b64(answer, 1)
    assert answer.usage is not None
    assert answer.usage.output_tokens == 2 * 158
    assert (answer.size, answer.quality, answer.background) == ("1536x1024", "low", "opaque")


def test_the_openai_package_edits_one_picture_several_and_with_a_mask(client: openai.OpenAI, tmp_path: Path) -> None:
    file, mask = tmp_path / "input.png", tmp_path / "mask.png"
    file.write_bytes(png(128, 128))
    mask.write_bytes(png(128, 128, (0, 0, 0, 0)))
    with file.open("rb") as one:
        single = client.images.edit(
            model="gpt-image-2", image=one, prompt="red collar", size="1024x1024", quality="low"
        )
    with file.open("rb") as one, file.open("rb") as two:
        several = client.images.edit(model="gpt-image-2", image=[one, two], prompt="watercolor", quality="low")
    with file.open("rb") as one, mask.open("rb") as hole:
        masked = client.images.edit(model="gpt-image-2", image=one, mask=hole, prompt="a parrot", quality="low")
    assert [opened(b64(answer)).size for answer in (single, several, masked)] == [(1024, 1024)] * 3
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.edit(model="gpt-image-2", image=png(), prompt="no name, no type")
    assert caught.value.code == "unsupported_file_mimetype"


def test_the_openai_package_streams(client: openai.OpenAI) -> None:
    stream = client.images.generate(model="gpt-image-2", prompt="a cat", quality="low", stream=True, partial_images=2)
    told = list(stream)
    assert [event.type for event in told] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert opened(base64.b64decode(told[-1].b64_json)).size == (1024, 1024)
    edit = client.images.edit(
        model="gpt-image-2", image=("a.png", png(), "image/png"), prompt="x", quality="low", stream=True
    )
    assert [event.type for event in edit] == ["image_edit.completed"]


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("[[fault:moderation]]", openai.BadRequestError),
        ("[[fault:401]]", openai.AuthenticationError),
        ("[[fault:403]]", openai.PermissionDeniedError),
        ("[[fault:404]]", openai.NotFoundError),
        ("[[fault:409]]", openai.ConflictError),
        ("[[fault:429]]", openai.RateLimitError),
        ("[[fault:500]]", openai.InternalServerError),
        ("[[fault:524]]", openai.InternalServerError),
        ("[[fault:drop]]", openai.APIConnectionError),
        ("[[fault:truncated]]", openai.APIConnectionError),
    ],
)
def test_the_openai_package_sees_errors_as_its_own(client: openai.OpenAI, prompt: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        client.images.generate(model="gpt-image-2", prompt=prompt, quality="low")


def test_the_openai_package_lists_models_and_chats(client: openai.OpenAI) -> None:
    assert "gpt-image-2" in {model.id for model in client.models.list()}
    answer = client.chat.completions.create(
        model="gemini-3-pro-image", messages=[{"role": "user", "content": "a cat"}], extra_body={"size": "64x64"}
    )
    assert (answer.choices[0].message.content or "").startswith("![image](data:image/png;base64,")


def test_the_openai_package_buys_three_times_unless_told_otherwise(strict: str) -> None:
    httpx.post(strict.removesuffix("/v1") + "/_gateway/reset")
    with openai.OpenAI(base_url=strict, api_key="sk-test") as naive, pytest.raises(openai.APIConnectionError):
        naive.images.generate(model="gpt-image-2", prompt="[[fault:drop]]", quality="low")
    stats = httpx.get(strict.removesuffix("/v1") + "/_gateway/stats").json()
    assert (stats["requests"], stats["images_billed"]) == (3, 3)
    assert [entry["status"] for entry in stats["log"]] == [0, 0, 0]


SAVE = (
    "import sys,json,base64; "
    "open('output.png','wb').write(base64.b64decode(json.load(sys.stdin)['data'][0]['b64_json']))"
)
JSON = 'curl -sS BASE/images/generations -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '
FORM = 'curl -sS BASE/images/edits -H "Authorization: Bearer $TOKEN" -F "model=gpt-image-2" -F "image[]=@input.png" '
CURLS = {
    "generate": JSON
    + """'{
    "model": "gpt-image-2",
    "prompt": "a cute cat sitting on the moon, digital illustration",
    "size": "1024x1024",
    "n": 1
  }'""",
    "quality": JSON
    + """'{
    "model": "gpt-image-2",
    "prompt": "A golden retriever on a beach at sunset",
    "size": "1024x1024",
    "quality": "high",
    "n": 1
  }'""",
    "transparent": JSON
    + """'{
    "model": "gpt-image-2",
    "prompt": "A minimalist logo of a rocket",
    "size": "1024x1024",
    "background": "transparent",
    "output_format": "png",
    "n": 1
  }'""",
    "edit": FORM
    + "-F 'prompt=Change the cat collar to bright red. Keep everything else identical.' -F 'size=1024x1024'",
    "several": FORM
    + """-F "image[]=@style_reference.png" -F 'prompt=Redraw the first image in the style of the second' \\
    -F "size=1024x1024" """,
    "mask": FORM + """-F "mask=@mask.png" -F 'prompt=Draw a flying parrot in the masked area' -F "size=1024x1024" """,
}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
@pytest.mark.parametrize("name", CURLS)
def test_the_documented_curl_lines_work(strict: str, tmp_path: Path, name: str) -> None:
    (tmp_path / "input.png").write_bytes(png(256, 256))
    (tmp_path / "style_reference.png").write_bytes(png(90, 60, (9, 99, 9)))
    (tmp_path / "mask.png").write_bytes(png(256, 256, (0, 0, 0, 0)))
    line = f'TOKEN=sk-test; {CURLS[name].replace("BASE", strict)} | {sys.executable} -c "{SAVE}"'
    subprocess.run(line, shell=True, check=True, cwd=tmp_path, timeout=30)
    image = opened((tmp_path / "output.png").read_bytes())
    assert (image.size, image.format) == ((1024, 1024), "PNG")
    assert (image.mode == "RGBA") == (name == "transparent")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_the_documented_line_of_a_url_host_works(tmp_path: Path) -> None:
    with served(GatewayConfig(profile="dieyuyun")) as base_url:
        line = f"TOKEN=sk-test; {CURLS['quality'].replace('BASE', base_url)}"
        answer = subprocess.run(line, shell=True, check=True, cwd=tmp_path, timeout=30, capture_output=True)
        url = json.loads(answer.stdout)["data"][0]["url"]
        assert opened(httpx.get(url).content).size == (1024, 1024)


def raw(base_url: str, prompt: str, **rest: object) -> tuple[bytes, bool]:
    """What a bare socket gets for one request, and whether the connection was reset."""
    port = int(base_url.rsplit(":", 1)[1].partition("/")[0])
    body = json.dumps({**ASK, "prompt": prompt, **rest}).encode()
    head = f"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        seen = b""
        connection.settimeout(1)
        try:
            while chunk := connection.recv(65536):
                seen += chunk
        except ConnectionResetError:
            return seen, True
        except TimeoutError:
            return seen + b"<open>", False
    return seen, False


def test_faults_really_cut_the_connection(relaxed: str) -> None:
    assert raw(relaxed, "[[fault:drop]]") == (b"", True)
    seen, reset = raw(relaxed, "[[fault:reset]]")
    assert reset
    assert seen.startswith(b"HTTP/1.1 200")
    seen, reset = raw(relaxed, "[[fault:truncated]]")
    assert not reset
    length = int(seen.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    assert 0 < len(seen.partition(b"\r\n\r\n")[2]) < length
    assert raw(relaxed, "[[fault:stall]]") == (b"<open>", False)
    seen, reset = raw(relaxed, "[[fault:stream_cut]]", stream=True, partial_images=1)
    assert b"partial_image" in seen
    assert b"completed" not in seen
    assert not seen.endswith(b"0\r\n\r\n")


def test_a_connection_lives_on_after_a_good_answer(relaxed: str) -> None:
    with httpx.Client(base_url=relaxed) as client:
        for _ in range(3):
            assert client.post("/images/generations", json=ASK).status_code == 200
        answer = client.post("/images/generations", json={**ASK, "stream": True, "partial_images": 1})
    assert [event["type"] for event in events(answer.text)][-1] == "image_generation.completed"


def test_a_client_that_leaves_has_paid_and_leaves_nothing_behind(relaxed: str) -> None:
    root = relaxed.removesuffix("/v1")
    httpx.post(f"{root}/_gateway/reset")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{relaxed}/images/generations", json={**ASK, "prompt": "[[fault:stall]]"}, timeout=0.1)
    for _ in range(50):
        stats = httpx.get(f"{root}/_gateway/stats").json()
        if not stats["in_flight"]:
            break
        time.sleep(0.01)
    assert (stats["in_flight"], stats["images_billed"]) == (0, 1)


def test_answers_on_a_kept_connection_are_not_delayed(relaxed: str) -> None:
    """Without the listener's protocol each of them waits 40 ms for an acknowledgement."""
    with httpx.Client(base_url=relaxed) as client:
        took = []
        for number in range(12):
            began = time.perf_counter()
            client.post("/images/generations", json={**ASK, "prompt": f"mug {number}", "size": "8x8"})
            took.append(time.perf_counter() - began)
    assert sorted(took)[6] < 0.03


def test_a_port_that_is_taken_is_said_so() -> None:
    taken = bind("127.0.0.1", 0)
    try:
        with pytest.raises(UserError, match="cannot listen"):
            bind("127.0.0.1", taken.getsockname()[1])
    finally:
        taken.close()


PROGRAM = (
    "import sys; from pipeline.gateway.config import GatewayConfig; from pipeline.gateway.serve import serve; "
    "sys.exit(serve(GatewayConfig(profile='lenient')))"
)


@pytest.mark.parametrize("received", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_promptly_even_with_an_open_request(received: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        base_url = json.loads(process.stdout.readline())["base_url"]
        port = int(base_url.rsplit(":", 1)[1].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            body = json.dumps({**ASK, "prompt": "[[fault:stall]]"}).encode()
            connection.sendall(
                b"POST /images/generations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            time.sleep(0.1)
            began = time.monotonic()
            process.send_signal(received)
            code = process.wait(timeout=10)
        assert process.stderr is not None
        assert (code, process.stderr.read()) == (int(received), "")
        assert time.monotonic() - began < 3
