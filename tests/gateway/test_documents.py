"""The OpenAPI document and the playground page."""

import base64
import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pipeline.gateway.config import GatewayConfig
from pipeline.gateway.fault_table import ALIASES, MISFORTUNES
from pipeline.gateway.openapi import document
from pipeline.gateway.profiles import PROFILES
from tests.gateway.peers import ASK, client_of, png, served

pytestmark = pytest.mark.anyio


def schema(described: dict[str, Any], name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": described["components"]}


@pytest.mark.parametrize("profile", ["openai", "clauddy", "dieyuyun", "newapi", "lenient"])
async def test_answers_are_what_the_document_says(profile: Any) -> None:
    size = "1024x1024" if profile == "openai" else "64x64"
    async with client_of(GatewayConfig(profile=profile)) as client:
        described = (await client.get("/openapi.json")).json()
        good = {**ASK, "size": size, "quality": "low"}
        answers = {
            "ImagesResponse": [await client.post("/images/generations", json=good)],
            "Error": [
                await client.post("/images/generations", json={**good, "prompt": ""}),
                await client.post("/nothing"),
                await client.get("/models/nothing"),
                await client.post("/images/generations", json={**good, "prompt": "[[fault:429]]"}),
            ],
            "ModelList": [await client.get("/models")],
            "Model": [await client.get("/models/gpt-image-2")],
            "Stats": [await client.get("http://sketch/_gateway/stats")],
            "ChatCompletion": [
                await client.post(
                    "/chat/completions", json={"model": "banana", "messages": [{"role": "user", "content": "a cat"}]}
                )
            ],
        }
    assert described["openapi"] == "3.1.0"
    for name, several in answers.items():
        for answer in several:
            jsonschema.Draft202012Validator(schema(described, name)).validate(answer.json())
    request = jsonschema.Draft202012Validator(schema(described, "GenerationRequest"))
    request.validate({"prompt": "x", "size": "1024x1024"})
    assert not request.is_valid({"prompt": ""})
    assert request.is_valid({"prompt": "x", "seed": 1}) == (profile != "openai")
    assert ("/v1/images/edits" in described["paths"]) == (profile != "dieyuyun")


def test_the_document_is_an_openapi_document() -> None:
    for profile in PROFILES.values():
        made = document(profile)
        schemas: Any = made["components"]
        for name, one in schemas["schemas"].items():
            jsonschema.Draft202012Validator.check_schema(one)
            assert name
        refs = set(re.findall(r"#/components/schemas/(\w+)", str(made)))
        assert refs <= set(schemas["schemas"])


async def test_the_playground_may_run_nothing_but_its_own_script() -> None:
    async with client_of() as client:
        page = await client.get("http://sketch/")
    policy = page.headers["content-security-policy"]
    script = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    style = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert len(script) == len(style) == 1
    for text in (*script, *style):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"\son\w+=|\sstyle=|https?://", page.text)
    assert page.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.browser
def test_a_person_can_draw_edit_and_mask_in_a_browser() -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with served(GatewayConfig(profile="openai")) as base_url, playwright.sync_playwright() as engine:
        try:
            browser = engine.chromium.launch(executable_path=shutil.which("chromium"))
        except playwright.Error as error:
            pytest.skip(f"Chromium is not here: {str(error).splitlines()[0]}")
        page = browser.new_page()
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(base_url.removesuffix("/v1"))
        page.fill("#prompt", "a teal mug")
        page.click("#go")
        page.wait_for_selector("figure img")
        page.set_input_files("#reference", {"name": "a.png", "mimeType": "image/png", "buffer": png(256, 256)})
        page.wait_for_selector("#mask[width='256']")
        box = page.locator("#mask").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 40, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 150, box["y"] + 150)
        page.mouse.up()
        page.fill("#prompt", "a parrot here")
        page.click("#go")
        page.locator("figure").nth(1).wait_for()
        page.fill("#size", "512x512")
        page.click("#go")
        page.wait_for_selector("#said.wrong")
        stats = page.evaluate("fetch('_gateway/stats').then(answer => answer.json())")
        browser.close()
    assert stats["billed"] == {"a teal mug": 1, "a parrot here": 1}
    assert stats["log"][1]["mask"]
    assert [text for text in wrong if "400" not in text] == []


def test_the_guide_names_every_fault_with_its_bill() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| (`.*?) \| (.*?) \| (yes|no) \|$", guide, re.MULTILINE)
    rows = {row[0].partition("`, ")[0].strip("` "): row for row in found}
    assert set(rows) == set(MISFORTUNES)
    for name, misfortune in MISFORTUNES.items():
        assert (rows[name][1], rows[name][2]) == (misfortune.about, "yes" if misfortune.billed else "no")
    for alias, name in ALIASES.items():
        assert f"`{alias}`" in rows[name][0]
