"""`why` names the part that changed, from, to and the price; `bless` keeps the picture, also along chains."""

from pathlib import Path

import pytest

from tests.app.project import Project, bought
from tests.fakes import PaidHost, png


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return bought(tmp_path_factory.mktemp("bought") / "shop")


@pytest.fixture
def shop(original: Project, tmp_path: Path) -> Project:
    """Everything bought, and a ledger of its own to write to."""
    return original.copy(tmp_path / "shop")


def why(shop: Project, asset: str) -> dict[str, object]:
    ran = shop.pipeline("why", shop.manifest, asset, "--json")
    assert ran.exit == 0, ran.err
    found = ran.json
    assert isinstance(found, dict)
    return found


def test_without_a_change_it_is_kept(shop: Project) -> None:
    found = why(shop, "poster/red/main")
    assert (found["asks"], found["differences"], found["usd"]) == (False, [], {"own": 0.0, "behind": 0.0})


def test_a_changed_prompt_is_shown_from_and_to_with_the_price_of_following_the_chain(shop: Project) -> None:
    shop.swap("on {{ scene }}", "upon {{ scene }}")
    found = why(shop, "hero/A/marble")
    assert found["why"] == "prompt changed"
    assert found["differences"] == [
        {"part": "prompt", "old": "Cup on white marble. Keep the rest.", "new": "Cup upon white marble. Keep the rest."}
    ]
    assert (found["usd"], found["followers"]) == ({"own": 0.04, "behind": 0.08}, 2)


def test_every_part_that_changed_is_named(shop: Project) -> None:
    shop.swap("quality: low", "quality: high")
    shop.swap("model: tiny-1", "model: tiny-9")
    shop.write("refs/style.png", png("new"))
    found = why(shop, "hero/A/marble")
    differences = found["differences"]
    assert isinstance(differences, list)
    assert [(each["part"], each["old"], each["new"]) for each in differences][:2] == [
        ("model", "tiny-1", "tiny-9"),
        ("params.quality", "low", "high"),
    ]
    assert differences[2]["part"] == "image 2"


def test_a_changed_parent_is_named_as_such(shop: Project) -> None:
    shop.swap("on {{ scene }}", "upon {{ scene }}")
    found = why(shop, "hero/A/marble/ribbon")
    assert (found["asks"], found["why"], found["followers"]) == (True, "parent changed", 1)


def test_a_mistyped_asset_gets_a_suggestion(shop: Project) -> None:
    ran = shop.pipeline("why", shop.manifest, "hero/A/marbel")
    assert ran.exit == 2
    assert "did you mean 'hero/A/marble'?" in ran.err


def test_for_people_it_names_the_command_that_keeps_the_picture(shop: Project) -> None:
    shop.swap("on {{ scene }}", "upon {{ scene }}")
    ran = shop.pipeline("why", shop.manifest, "hero/A/marble")
    assert f"pipeline bless {shop.manifest} 'hero/A/marble'" in ran.out
    assert "then 2 that follow it: $0.08" in ran.out


def test_a_blessed_picture_is_not_asked_again_and_its_chain_stays(shop: Project) -> None:
    shop.swap("on {{ scene }}", "upon {{ scene }}")
    assert len(shop.asked()) == 12
    ran = shop.pipeline("bless", shop.manifest, "hero/A/marble", "--json")
    assert ran.json == [{"asset": "hero/A/marble", "blessed": True, "note": ""}]
    assert {asset for asset in shop.asked() if asset.startswith("hero/A/marble")} == set()
    assert len(shop.asked()) == 9
    before = shop.index()["hero/A/marble"]["sha256"]
    with PaidHost().open() as url:
        ran = shop.at(url).run("--only", "hero/A/marble*")
    assert (ran.exit, ran.json["requests"], shop.index()["hero/A/marble"]["sha256"]) == (0, 0, before)


def test_a_changed_edit_is_blessed_after_its_changed_parent_in_one_command(shop: Project) -> None:
    shop.swap("on {{ scene }}", "upon {{ scene }}")
    shop.swap("Add a ribbon.", "Add a bow.")
    names = ["hero/A/marble", "hero/A/marble/ribbon"]
    ran = shop.pipeline("bless", shop.manifest, *names, "--json")
    assert [each["blessed"] for each in ran.json] == [True, True]
    assert {asset for asset in shop.asked() if asset.startswith("hero/A/marble")} == set()


def test_children_given_before_their_parent_are_blessed_too(shop: Project) -> None:
    shop.swap("on {{ scene }}", "upon {{ scene }}")
    shop.swap("Add a ribbon.", "Add a bow.")
    ran = shop.pipeline("bless", shop.manifest, "hero/A/marble/ribbon", "hero/A/marble", "--json")
    assert {each["asset"]: each["blessed"] for each in ran.json} == {
        "hero/A/marble": True,
        "hero/A/marble/ribbon": True,
    }


def test_an_edit_whose_parent_is_not_settled_is_not_blessed(shop: Project) -> None:
    shop.swap("on {{ scene }}", "upon {{ scene }}")
    ran = shop.pipeline("bless", shop.manifest, "hero/A/marble/ribbon", "--json")
    assert (ran.json[0]["blessed"], ran.exit) == (False, 0)
    assert "bless or run the parent first" in ran.json[0]["note"]


def test_what_did_not_change_needs_no_blessing(shop: Project) -> None:
    ran = shop.pipeline("bless", shop.manifest, "poster/red/main")
    assert "nothing changed" in ran.out


def test_a_blessing_can_be_taken_back_by_asking_again(shop: Project) -> None:
    shop.swap("A {{ colour }} poster.", "One {{ colour }} poster.")
    shop.pipeline("bless", shop.manifest, "poster/red/main")
    assert shop.asked("--again", "poster/red/main") == {
        "poster/red/main",
        "poster/red/rival",
        "poster/teal/main",
        "poster/teal/rival",
    }


def test_a_change_that_is_taken_back_asks_for_nothing(shop: Project) -> None:
    shop.swap("on {{ scene }}", "upon {{ scene }}")
    with PaidHost().open() as url:
        assert shop.at(url).run("--only", "hero/A/marble").json["requests"] == 1
    shop.swap("upon {{ scene }}", "on {{ scene }}")
    assert shop.asked() == set()
    ran = shop.run()
    assert (ran.exit, ran.json["requests"]) == (0, 0)
