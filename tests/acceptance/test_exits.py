"""Each exit status of a run, and what the host was asked until then."""

from typing import Any

import pytest

from tests.acceptance.desk import Desk
from tests.acceptance.hosts import fault, open_shop, picture, sells

SIX = "shots:\n  a: {matrix: {c: [p, q, r, s, t, u]}, prompt: '!w {{ c }}', params: {size: 64x64}}\n"
ONE = "shots:\n  a: {prompt: '!w', params: {size: 64x64}}\n"


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (401, {"message": "Incorrect API key", "code": "invalid_api_key"}, 3),
        (403, {"message": "key disabled", "type": "new_api_error", "code": ""}, 3),
        (402, {"message": "pay"}, 4),
        (403, {"message": "user quota is not enough", "code": "insufficient_user_quota"}, 4),
        (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}, 4),
        (400, {"message": "Billing hard limit", "code": "billing_hard_limit_reached"}, 4),
    ],
)
def test_a_refused_key_and_an_empty_purse_stop_the_provider_at_once(
    desk: Desk, status: int, error: dict[str, Any], code: int
) -> None:
    with open_shop({"w": lambda shop, asked: fault(status, **error)}) as shop:
        told = desk.run("run", desk.paid(shop.url, SIX), "--json", "--no-sheet", "--concurrency", "1")
        assert told.exit == told.json["exit"] == code
        assert len(shop.posts) == 1
    assert told.json["assets"]["planned"] == 6


def test_a_403_about_a_group_fails_that_models_assets(desk: Desk) -> None:
    no_group = {"message": "This group has no access to model x", "type": "new_api_error", "code": ""}
    with open_shop({"w": lambda shop, asked: fault(403, **no_group)}) as shop:
        told = desk.run("run", desk.paid(shop.url, ONE), "--json", "--no-sheet")
    assert (told.exit, told.json["assets"]["failed"]) == (11, 1)


def test_a_budget_stops_before_it_is_crossed(desk: Desk) -> None:
    with open_shop() as shop:
        manifest = desk.paid(shop.url, "budget: {per_run: 0.03 USD}\n" + SIX)
        told = desk.run("run", manifest, "--json", "--no-sheet")
        assert len(shop.posts) == 3
    assert told.exit == 12
    assert (told.json["assets"]["done"], told.json["assets"]["planned"]) == (3, 3)
    assert "budget.per_run" in told.err


def test_accepted_refusals_become_exit_0(desk: Desk) -> None:
    with open_shop({"w": lambda shop, asked: fault(400, message="no", code="moderation_blocked")}) as shop:
        manifest = desk.paid(shop.url, ONE)
        assert desk.run("run", manifest, "--no-sheet").exit == 11
        assert desk.run("run", manifest, "--no-sheet", "--accept", "refused").exit == 0
        assert len(shop.posts) == 1
        assert desk.run("run", manifest, "--no-sheet", "--retry", "refused").exit == 11
        assert len(shop.posts) == 2


def test_a_lost_alpha_is_shown_and_never_passed_off_as_done(desk: Desk) -> None:
    shots = "shots:\n  a: {prompt: '!w', params: {size: 64x64, background: transparent}}\n"
    with open_shop() as shop:
        manifest = desk.paid(shop.url, shots)
        told = desk.run("run", manifest, "--json")
        assert (told.exit, told.json["images"]) == (11, 1)
        assert (desk.index()["a"]["state"], desk.index()["a"]["reason"]) == ("failed", "opaque")
        assert desk.run("run", manifest).exit == 11
        assert len(shop.posts) == 1
        assert desk.run("bless", manifest, "a").exit == 0
        assert desk.run("run", manifest).exit == 0
        assert len(shop.posts) == 1


def test_a_kept_alpha_is_done(desk: Desk) -> None:
    shots = "shots:\n  a: {prompt: '!w', params: {size: 64x64, background: transparent}}\n"
    with open_shop({"w": lambda shop, asked: sells(picture(asked.prompt, alpha=True))}) as shop:
        assert desk.run("run", desk.paid(shop.url, shots)).exit == 0
    assert desk.index()["a"]["alpha"] is True


def test_fewer_pictures_than_asked_are_kept_and_the_rest_asked_again(desk: Desk) -> None:
    shots = "shots:\n  a: {prompt: '!w', n: 3, per_request: 3}\n"
    with open_shop({"w": lambda shop, asked: sells(picture(str(len(shop.posts))))}) as shop:
        told = desk.run("run", desk.paid(shop.url, shots), "--json", "--no-sheet")
        wanted = [int(each.fields.get("n", 1)) for each in shop.posts]
    assert told.exit == 0
    assert wanted == [3, 2, 1]
    assert told.json["images"] == told.json["assets"]["done"] == 3


def test_a_photo_at_a_private_address_fails_its_row_alone(desk: Desk) -> None:
    feed = "sku,photo\nA,{url}/photo.png\nB,photo.png\n"
    shots = (
        "sources: {{feed: {{file: feed.csv, key: sku}}}}\n"
        "shots:\n  a: {{matrix: {{p: {{source: feed}}}}, prompt: '{{{{ p }}}}', images: ['{{{{ p.photo }}}}']}}\n"
    ).format()
    with open_shop() as shop:
        desk.write("jobs/feed.csv", feed.format(url=shop.url.replace("127.0.0.1", "127.0.0.2")))
        desk.write("jobs/photo.png", picture("photo"))
        manifest = desk.paid(shop.url, shots)
        told = desk.run("run", manifest, "--json")
        assert told.exit == 11, told
        assert [each.path for each in shop.asked] == ["/v1/images/edits"]
        strict = desk.run("run", manifest, "--strict")
    index = desk.index()
    assert (index["a/A"]["state"], index["a/A"]["reason"]) == ("failed", "input")
    assert index["a/B"]["state"] == "done"
    assert any("private address" in warning for warning in index["a/A"]["warnings"])
    assert any(" a/A " in line and "private address" in line for line in told.err.splitlines())
    assert strict.exit == 2


def test_a_chain_goes_on_from_the_picture_before_on_either_protocol(desk: Desk) -> None:
    extra = "  chat: {preset: openrouter, base_url: URL/v1, api_key: env:SHOP_KEY}\n"
    shots = (
        "  rival: {provider: chat, model: some/banana, price: 0.02 USD}\n"
        "shots:\n  a:\n    matrix: {model: [main, rival]}\n    prompt: A lamp\n"
        "    chain: [{id: red, prompt: 'Make it red. Keep everything else identical.'}]\n"
    )
    with open_shop() as shop:
        told = desk.run("run", desk.paid(shop.url, shots, extra=extra.replace("URL", shop.url)), "--json")
        paths = sorted(each.path for each in shop.posts)
        edit = next(each for each in shop.posts if each.path.endswith("/edits"))
    assert told.exit == 0, told
    assert paths == [
        "/v1/chat/completions",
        "/v1/chat/completions",
        "/v1/images/edits",
        "/v1/images/generations",
    ]
    assert [(name, kind, data) for name, _, kind, data in edit.files] == [("image", "image/png", picture("A lamp"))]
    assert told.json["usd"]["spent"] == pytest.approx(0.06)
