"""One change to a manifest, its feed or its files, and exactly the assets that must be asked again because of it."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.app.project import Project, bought
from tests.fakes import png

Change = Callable[[Project], object]

EVERYTHING = ("*",)
HERO = ("hero/*",)
CUTOUT = ("cutout/*",)
CHAINS = ("hero/*/ribbon", "hero/*/night")


def swap(old: str, new: str, name: str = "shop.yaml") -> Change:
    return lambda made: made.swap(old, new, name)


def feed(old: str, new: str) -> Change:
    return swap(old, new, "feed/products.csv")


def repaint(name: str, text: str = "another", *, alpha: bool = False) -> Change:
    return lambda made: made.write(name, png(text, alpha=alpha))


def move(old: str, new: str, *also: Change) -> Change:
    def moved(made: Project) -> None:
        (made.folder / new).parent.mkdir(parents=True, exist_ok=True)
        (made.folder / old).rename(made.folder / new)
        for change in also:
            change(made)

    return moved


def both(*changes: Change) -> Change:
    def changed(made: Project) -> None:
        for change in changes:
            change(made)

    return changed


CHANGES: dict[str, tuple[Change, tuple[str, ...]]] = {
    # words
    "a prompt": (swap("on {{ scene }}", "upon {{ scene }}"), HERO),
    "a prompt of the chain's end": (swap("At night.", "At midnight."), ("hero/*/night",)),
    "a prompt of the chain's first edit": (swap("Add a ribbon.", "Add a bow."), CHAINS),
    "a prompt's comment": (swap("A {{ colour }} poster.", "'A {{ colour }}{# bright #} poster.'"), ()),
    "a shared text": (swap("Keep the rest.", "Keep all."), HERO),
    "a shared text that is renamed": (
        both(swap("keep: Keep", "still: Keep"), swap("{{ text.keep }}", "{{ text.still }}")),
        (),
    ),
    "an unused text": (swap("  keep:", "  other: Nothing.\n  keep:"), ()),
    # axes
    "an axis's name": (both(swap("scene:\n", "place:\n"), swap("{{ scene }}", "{{ place }}")), ()),
    "a mapping's text": (swap("white marble", "black marble"), ("hero/*/marble*",)),
    "a mapping's text said in full": (swap("marble: white marble", "marble: {text: white marble}"), ()),
    "an unused field of a value": (swap("mood: warm", "mood: cold"), ()),
    "a new value of a mapping": (
        swap("        linen:", "        oak: oiled oak\n        linen:"),
        ("hero/*/oak*",),
    ),
    "a value's key": (swap("marble: white", "stone: white"), ()),
    "a removed value": (swap("        marble: white marble\n", ""), ()),
    "a new value of a list": (swap("[red, teal]", "[red, teal, gold]"), ("poster/gold/*",)),
    "a list's order": (swap("[red, teal]", "[teal, red]"), ()),
    "another model in the matrix": (
        both(
            swap("model: [main, rival]", "model: [main, rival, third]"),
            swap("  rival:", "  third: {provider: paid, model: tiny-3, price: 0.01 USD}\n  rival:"),
        ),
        ("poster/*/third",),
    ),
    "an excluded cell": (swap("    prompt: A {{", "    exclude: [{colour: red}]\n    prompt: A {{"), ()),
    "an included cell": (
        swap("    prompt: A {{", "    include: [{colour: blue, model: main}]\n    prompt: A {{"),
        ("poster/blue/main",),
    ),
    "a filter": (swap("    prompt: A {{", "    where: colour == 'red'\n    prompt: A {{"), ()),
    "the order of shots": (
        lambda made: made.write(
            "shop.yaml", _reordered(made.manifest.read_text(), "  hero:\n", "  cutout:\n", "  poster:\n")
        ),
        (),
    ),
    # models and parameters
    "a model's parameter": (swap("quality: low", "quality: high"), (*HERO, *CUTOUT, "poster/*/main")),
    "a parameter of all": (swap("size: 1024x1024", "size: 1536x1024"), EVERYTHING),
    "a parameter of one shot": (
        swap("    mask: refs", "    params: {output_format: webp}\n    mask: refs"),
        CUTOUT,
    ),
    "a parameter of one edit": (swap("At night., ", "At night., params: {quality: high}, "), ("hero/*/night",)),
    "a removed parameter": (swap(", params: {quality: low}", ""), (*HERO, *CUTOUT, "poster/*/main")),
    "a parameter that is said elsewhere": (
        both(
            swap(", params: {quality: low}", ""),
            swap("params: {size: 1024x1024}", "params: {size: 1024x1024, quality: low}"),
        ),
        ("poster/*/rival",),
    ),
    "a parameter of the wire": (swap("quality: low", "quality: low, user: me"), ()),
    "a model as sent": (swap("model: tiny-2", "model: tiny-2-new"), ("poster/*/rival",)),
    "a model's alias": (both(swap("rival:", "other:"), swap("rival]", "other]")), ()),
    "a protocol": (swap("model: tiny-2,", "model: tiny-2, protocol: chat,"), ("poster/*/rival",)),
    "a price": (swap("0.05 USD", "0.06 USD"), ()),
    "the model of an edit": (swap("At night., ", "At night., model: rival, "), ("hero/*/night",)),
    # providers and limits
    "a provider's name": (swap("paid", "shop"), ()),
    "a provider's address": (swap("127.0.0.1:9/v1", "127.0.0.1:8/v1"), ()),
    "a provider's limits": (swap("retry: {attempts: 1}", "limits: {concurrency: 2}"), ()),
    "another key": (lambda made: made.environ.update(SHOP_KEY="sk-another"), ()),
    "a provider's space": (swap("retry: {attempts: 1}", "space: mine"), EVERYTHING),
    "a budget": (swap("20 USD", "30 USD"), ()),
    # feed
    "a column that is not used": (
        lambda made: made.write(
            "feed/products.csv", "sku,title,photo,x\nA,Cup,photos/a.png,1\nB,Lamp,photos/b.png,2\n"
        ),
        (),
    ),
    "a row that is broken": (feed("B,Lamp,photos/b.png", "B,Lamp"), ("hero/B/*", "cutout/B*")),
    "a product's title": (feed("Lamp", "Desk lamp"), ("hero/B/*", "cutout/B*")),
    "a product's photo": (feed("photos/b.png", "photos/a.png"), ("hero/B/*", "cutout/B*")),
    "a new product": (feed("B,Lamp", "C,Cup,photos/b.png\nB,Lamp"), ("hero/C/*", "cutout/C*")),
    "a product that is gone": (feed("B,Lamp,photos/b.png\n", ""), ()),
    "the order of the rows": (
        lambda made: made.write("feed/products.csv", "sku,title,photo\nB,Lamp,photos/b.png\nA,Cup,photos/a.png\n"),
        (),
    ),
    "the order of the columns": (
        lambda made: made.write("feed/products.csv", "photo,sku,title\nphotos/a.png,A,Cup\nphotos/b.png,B,Lamp\n"),
        (),
    ),
    "a feed that is moved": (move("feed/products.csv", "data/p.csv", swap("feed/products.csv", "data/p.csv")), ()),
    "a feed in another format": (
        both(
            lambda made: made.write(
                "feed/p.json",
                '[{"sku": "A", "title": "Cup", "photo": "photos/a.png"},'
                ' {"sku": "B", "title": "Lamp", "photo": "photos/b.png"}]',
            ),
            swap("feed/products.csv", "feed/p.json"),
        ),
        (),
    ),
    "a product's key": (feed("B,Lamp", "B2,Lamp"), ()),
    # files
    "a photo's bytes": (repaint("photos/a.png"), ("hero/A/*", "cutout/A*")),
    "a photo that is moved": (move("photos/a.png", "pictures/cup.png", feed("photos/a.png", "pictures/cup.png")), ()),
    "a photo that is copied over itself": (repaint("photos/a.png", "photos/a.png"), ()),
    "a reference of all": (repaint("refs/style.png"), HERO),
    "a reference of an edit": (repaint("refs/night.png"), ("hero/*/night",)),
    "a mask": (repaint("refs/mask.png", alpha=True), CUTOUT),
    "no mask": (swap("    mask: refs/mask.png\n", ""), CUTOUT),
    "one reference less": (swap(", refs/style.png", ""), HERO),
    "references in another order": (
        swap('["{{ product.photo }}", refs/style.png]', '[refs/style.png, "{{ product.photo }}"]'),
        HERO,
    ),
    # chains and candidates
    "an edit less": (swap("      - {id: night, prompt: At night., images: [refs/night.png]}\n", ""), ()),
    "an edit more": (
        swap("      - {id: night", "      - {id: snow, prompt: In snow.}\n      - {id: night"),
        ("hero/*/snow", "hero/*/night"),
    ),
    "an edit at the end": (
        swap("  cutout:\n", "      - {id: snow, prompt: In snow.}\n  cutout:\n"),
        ("hero/*/snow",),
    ),
    "an edit's id": (swap("id: ribbon", "id: bow"), ()),
    "edits in another order": (
        both(swap("{id: ribbon", "{id: X"), swap("{id: night", "{id: ribbon"), swap("{id: X", "{id: night")),
        (),
    ),
    "two candidates more": (swap("    n: 2", "    n: 4"), ("cutout/*#3", "cutout/*#4")),
    "a candidate less": (swap("    n: 2", "    n: 1"), ()),
    "candidates packed": (swap("    n: 2", "    n: 2\n    per_request: 2"), ()),
    # paths and the rest
    "output paths": (swap("    n: 2", '    n: 2\n    path: "cut/{{ product }}"'), ()),
    "a shot's name": (swap("  poster:", "  placard:"), ()),
    "what is accepted": (swap("    n: 2", "    n: 2\n    accept: {size: exact}"), ()),
    "the manifest's layout": (lambda made: made.write("shop.yaml", made.manifest.read_text() + "\n# the end\n"), ()),
    "the manifest's file": (move("shop.yaml", "shop.yaml"), ()),
}


def _reordered(text: str, first: str, second: str, third: str) -> str:
    head, _, rest = text.partition(first)
    one, _, rest = rest.partition(second)
    two, _, rest = rest.partition(third)
    three, _, tail = rest.partition("budget:")
    return f"{head}{third}{three}{second}{two}{first}{one}budget:{tail}"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project as it was bought; a change is made to a copy that goes by its ledger."""
    return bought(tmp_path_factory.mktemp("bought") / "shop")


def changed(shop: Project, folder: Path, change: Change) -> Project:
    made = Project(folder / "shop", dict(shop.environ))
    for path in shop.folder.rglob("*"):
        inside = path.relative_to(shop.folder)
        if path.is_file() and inside.parts[0] != "output":
            made.write(str(inside), path.read_bytes())
    change(made)
    return made


def test_there_are_at_least_forty_changes() -> None:
    assert len(CHANGES) >= 40


def test_nothing_is_stale_without_a_change(shop: Project, tmp_path: Path) -> None:
    assert changed(shop, tmp_path, lambda made: None).asked("--output", shop.output) == set()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_makes_exactly_these_assets_stale(name: str, shop: Project, tmp_path: Path) -> None:
    change, patterns = CHANGES[name]
    made = changed(shop, tmp_path, change)
    plan = made.plan("--output", shop.output)
    wanted = {asset["asset"] for asset in plan["assets"]}
    asked = {asset["asset"] for asset in plan["assets"] if asset["state"] != "done"}
    expected = {asset for asset in wanted if any(fnmatchcase(asset, pattern) for pattern in patterns)}
    assert asked == expected
    assert expected or not patterns
    for pattern in patterns:
        assert any(fnmatchcase(asset, pattern) for asset in expected), f"{pattern} names nothing"
