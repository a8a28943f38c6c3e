"""Rows, attempts and small real pictures for the sheet's tests: a night as it happens."""

import colorsys
import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image as Pillow
from PIL import ImageDraw

from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import (
    PAID,
    AssetRow,
    AttemptId,
    AttemptRow,
    Delivery,
    Money,
    RunId,
    RunRow,
    State,
)
from pipeline.domain.step import AssetName, KeyParts, StepKey, step_key
from pipeline.sheet.model import SheetData, ShotShape

LAST_NIGHT = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
NIGHT_BEFORE = LAST_NIGHT - timedelta(days=1)
RUNS = (RunId("20261121T013000-cafe01"), RunId("20261120T013000-beef02"))
HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "<b>&amp;\u202e\u2028\x1b]0;x\x07{{ 7*7 }} '\"`;--><!--"
)


def drawn(text: str, *, width: int = 96, height: int = 72, alpha: bool = False) -> bytes:
    """A small picture that differs by *text*: two colours, a sun and a hill."""
    seed = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    hue = seed[0] / 255

    def shade(turn: float, light: float) -> tuple[int, int, int]:
        red, green, blue = colorsys.hls_to_rgb((hue + turn) % 1, light, 0.45)
        return round(red * 255), round(green * 255), round(blue * 255)

    picture = Pillow.new("RGBA", (width, height), (0, 0, 0, 0) if alpha else (*shade(0, 0.82), 255))
    draw = ImageDraw.Draw(picture)
    at, radius = width * (0.25 + seed[1] / 510), height * (0.12 + seed[2] / 1500)
    draw.ellipse((at - radius, height * 0.3 - radius, at + radius, height * 0.3 + radius), fill=(*shade(0.5, 0.6), 255))
    left, right = height * (0.5 + seed[3] / 700), height * (0.5 + seed[4] / 700)
    draw.polygon(((0, left), (width, right), (width, height), (0, height)), fill=(*shade(0.06, 0.42), 255))
    kept = io.BytesIO()
    (picture if alpha else picture.convert("RGB")).save(kept, "PNG")
    return kept.getvalue()


@dataclass
class Night:
    """A sheet's data in the making, with the pictures it shows."""

    shots: list[ShotShape] = field(default_factory=list)
    rows: list[AssetRow] = field(default_factory=list)
    attempts: list[AttemptRow] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    parts: dict[StepKey, KeyParts] = field(default_factory=dict)
    sources: dict[Digest, str] = field(default_factory=dict)
    pictures: dict[Digest, bytes] = field(default_factory=dict)

    def picture(self, text: str, **how: Any) -> Image:
        """A kept picture."""
        data = drawn(text, **how)
        digest = digest_of(data)
        self.pictures[digest] = data
        facts = Facts(
            format=Format.PNG,
            width=how.get("width", 96),
            height=how.get("height", 72),
            has_alpha=how.get("alpha", False),
        )
        return Image(digest=digest, size=len(data), facts=facts)

    def asset(
        self,
        name: str,
        axes: Sequence[tuple[str, str]] = (),
        *,
        prompt: str = "a lake",
        shows: str | None = None,
        inputs: Iterable[tuple[Any, Digest]] = (),
        params: dict[str, Any] | None = None,
        run: int = 0,
        model: str = "main",
        attempt: dict[str, Any] | None = None,
        how: dict[str, Any] | None = None,
        **changes: Any,
    ) -> AssetRow:
        """An asset that a run asked for once; *shows* names its picture, empty for none."""
        parts = KeyParts(
            protocol="images",
            model=f"maker/{model}",
            params=params if params is not None else {"quality": "high", "size": "1024x1024"},
            prompt=prompt,
            inputs=tuple(inputs),
            candidate=changes.get("candidate", 1),
        )
        key = step_key(parts)
        self.parts[key] = parts
        text = name if shows is None else shows
        image = self.picture(text, **(how or {})) if text else None
        at = (LAST_NIGHT if run == 0 else NIGHT_BEFORE) + timedelta(seconds=len(self.attempts) % 3000)
        row = AssetRow(
            manifest="shop",
            space=PAID,
            asset=AssetName(name),
            shot=name.partition("/")[0],
            axes=tuple(axes),
            step_id="",
            depth=0,
            candidate=1,
            parent=None,
            model_alias=model,
            key=key,
            state=State.DONE if image else State.FAILED,
            reason="",
            image=image,
            path=f"{name.replace('#', '-')}.png" if image else "",
            usd=MicroUsd(53_000 if image else 0),
            warnings=(),
            run_id=RUNS[run],
            updated_at=at,
        )
        row = row._replace(**changes)
        if row.state not in {State.PLANNED, State.SKIPPED} and row.reason != "input":
            self.asked(row, at, run=run, **(attempt or {}))
        self.rows.append(row)
        return row

    def asked(self, row: AssetRow, at: datetime, *, run: int = 0, image: Image | None = None, **changes: Any) -> None:
        """An attempt for a row, and the picture it brought, if any."""
        brought = image or row.image
        assert row.key is not None
        made = AttemptRow(
            attempt_id=AttemptId(f"attempt-{len(self.attempts)}"),
            run_id=RUNS[run],
            space=PAID,
            manifest="shop",
            assets=(row.asset,),
            keys=(row.key,),
            provider="paid",
            endpoint="https://images.example/v1",
            model=self.parts[row.key].model,
            started_at=at - timedelta(seconds=41),
            ended_at=at,
            outcome="done" if brought else row.state.value,
            http_status=200 if brought else 0,
            error_code="",
            request_id=f"req_{len(self.attempts):08x}",
            usd=MicroUsd(53_000 if brought or row.state is State.UNKNOWN else 0),
            cost_high=MicroUsd(60_000),
            estimated=True,
            message="",
            seconds=41.2,
            culprit="",
            boot_id="boot",
        )
        made = replace(made, **{name: value for name, value in changes.items() if name != "revised"})
        self.attempts.append(made)
        if brought is not None:
            self.deliveries.append(
                Delivery(
                    attempt_id=made.attempt_id,
                    run_id=made.run_id,
                    space=PAID,
                    asset=row.asset,
                    key=made.keys[0],
                    digest=brought.digest,
                    at=at,
                    usd=made.usd,
                    revised_prompt=changes.get("revised", ""),
                )
            )

    def data(self, **changes: Any) -> SheetData:
        """Everything as the caller of `write` hands it over."""
        counts = {state: sum(row.state is state for row in self.rows) for state in State}
        made = SheetData(
            manifest="shop",
            typed="jobs/shop.yaml",
            as_of=LAST_NIGHT + timedelta(hours=1) if self.rows else None,
            counts={state: count for state, count in counts.items() if count},
            shots=tuple(self.shots),
            assets=tuple(self.rows),
            runs=tuple(run_row(number) for number in range(2)) if self.rows else (),
            month=Money(spent=MicroUsd(12_340_000), unknown=MicroUsd(106_000)),
            total=Money(spent=MicroUsd(112_340_000), unknown=MicroUsd(106_000)),
            attempts=tuple(self.attempts),
            deliveries=tuple(sorted(self.deliveries, key=lambda delivery: delivery.at)),
            parts=dict(self.parts),
            sources=dict(self.sources),
        )
        return replace(made, **changes)

    def finder(self, folder: Path) -> Callable[[Digest], Path | None]:
        """Puts the kept pictures and the output files on disk; says where a picture's bytes are."""
        kept = folder.parent / ".pipeline" / "images"
        for digest, data in self.pictures.items():
            place = kept / digest[:2] / f"{digest}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        for row in self.rows:
            if row.image is not None and row.path and row.image.digest in self.pictures:
                path = folder / row.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.pictures[row.image.digest])

        def find(digest: Digest) -> Path | None:
            path = kept / digest[:2] / f"{digest}.png"
            return path if path.is_file() else None

        return find


def run_row(number: int) -> RunRow:
    """The last run (0) or the one before (1)."""
    started = (LAST_NIGHT, NIGHT_BEFORE)[number] - timedelta(minutes=5)
    return RunRow(
        run_id=RUNS[number],
        manifest="shop",
        space=PAID,
        started_at=started,
        ended_at=started + timedelta(hours=1, minutes=5),
        exit=(14, 0)[number],
        requests=(48, 40)[number],
        retries=(3, 0)[number],
        images=(37, 40)[number],
        spent=MicroUsd((1_961_000, 2_120_000)[number]),
        unknown=MicroUsd((106_000, 0)[number]),
    )


PRODUCTS = ("mug", "lamp", "vase")
SCENES = ("marble", "linen")


def night() -> Night:
    """A shop's night: a matrix with two models, chains, candidates, and one of everything that goes wrong."""
    made = Night()
    _heroes(made)
    _chains(made)
    _icons(made)
    return made


def _heroes(made: Night) -> None:
    made.shots.append(
        ShotShape(name="hero", axes=(("product", PRODUCTS), ("scene", SCENES), ("model", ("main", "rival"))))
    )
    photo = {product: made.picture(f"photo of {product}", width=120, height=120) for product in PRODUCTS}
    for product in PRODUCTS:
        made.sources[photo[product].digest] = f"photos/{product}.jpg"
        for scene in SCENES:
            for model in ("main", "rival"):
                axes = (("product", product), ("scene", scene), ("model", model))
                name = f"hero/{product}/{scene}/{model}"
                prompt = f"Studio packshot of a {product} on {scene}, soft daylight. Keep the product exactly as it is."
                wrong = _wrong(product, scene, model)
                made.asset(
                    name,
                    axes,
                    prompt=prompt,
                    model=model,
                    inputs=(("image", photo[product].digest),),
                    run=0 if product == "mug" else 1,
                    **wrong,
                )
    _asked_anew(made, "hero/mug/marble/main")


def _wrong(product: str, scene: str, model: str) -> dict[str, Any]:
    match product, scene, model:
        case "vase", "linen", "rival":
            said = "the answer was cut after 100.0 s"
            attempt = {"message": said, "culprit": "probably a proxy's limit of 100 s", "seconds": 100.0}
            return {"shows": "", "state": State.UNKNOWN, "warnings": (said,), "attempt": attempt}
        case "lamp", "linen", "rival":
            said = "Your request was rejected by the safety system (req_7f3a91c2)."
            attempt = {"message": said, "http_status": 400, "error_code": "moderation_blocked"}
            return {"shows": "", "state": State.REFUSED, "reason": "output", "warnings": (said,), "attempt": attempt}
        case "lamp", "marble", "rival":
            said = "size 96x72, asked 1024x1024"
            return {"warnings": (said,)}
        case _:
            return {}


def _asked_anew(made: Night, name: str) -> None:
    """Gives an asset a picture of the night before, of other words."""
    row = next(row for row in made.rows if row.asset == name)
    assert row.key is not None
    parts = replace(made.parts[row.key], prompt="A mug on a table.", params={"quality": "low", "size": "1024x1024"})
    old = row._replace(key=step_key(parts))
    made.parts[step_key(parts)] = parts
    made.asked(old, NIGHT_BEFORE, run=1, image=made.picture("an older mug"), revised="a mug, on a table, at noon")


def _chains(made: Night) -> None:
    made.shots.append(ShotShape(name="story", axes=(("place", ("harbour", "forest")),), chain=("rain", "night")))
    for place in ("harbour", "forest"):
        base = made.asset(f"story/{place}", (("place", place),), prompt=f"A {place} in the morning.", run=1)
        parent = base
        for depth, step in enumerate(("rain", "night"), 1):
            stopped: dict[str, Any] = {"shows": "", "state": State.PLANNED, "key": None}
            inputs = (("image", parent.image.digest),) if parent.image else ()
            parent = made.asset(
                f"story/{place}/{step}",
                (("place", place),),
                prompt=f"The same at {step}. Keep everything else identical.",
                inputs=inputs,
                step_id=step,
                depth=depth,
                parent=parent.asset,
                **(stopped if (place, step) == ("forest", "night") else {}),
            )


def _icons(made: Night) -> None:
    items = tuple(f"item-{number:02}" for number in range(12))
    made.shots.append(ShotShape(name="icon", axes=(("item", items),)))
    for number, item in enumerate(items):
        for candidate in (1, 2):
            name = f"icon/{item}" + (f"#{candidate}" if candidate > 1 else "")
            how: dict[str, Any] = {"how": {"alpha": True, "width": 80, "height": 80}}
            if number == 3 and candidate == 1:
                said = "not transparent: 0 of 6,400 pixels let anything through"
                how = {"state": State.FAILED, "reason": "opaque", "warnings": (said,)}
            if number == 5:
                said = f"photos/{item}.png: no such file"
                how = {"shows": "", "state": State.FAILED, "reason": "input", "warnings": (said,)}
            made.asset(name, (("item", item),), prompt=f"An icon of {item}.", candidate=candidate, run=1, **how)


def many(count: int, made: Night | None = None) -> tuple[Night, SheetData]:
    """So many assets of two axes, each with a picture of its own and a story."""
    made = made or Night()
    keys = tuple(f"{number:05}" for number in range(count // 2))
    made.shots.append(ShotShape(name="hero", axes=(("item", keys), ("colour", ("red", "teal")))))
    for key in keys:
        for colour in ("red", "teal"):
            axes = (("item", key), ("colour", colour))
            made.asset(f"hero/{key}/{colour}", axes, prompt=f"Item {key} in {colour}, a studio packshot. " * 6)
    return made, made.data()
