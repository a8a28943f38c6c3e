"""The tables of docs/catalogue.md, made from the data: ``python -m tests.catalogue.tables`` writes them anew."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

from pipeline.catalogue import DatedCatalogue, load_catalogue
from pipeline.catalogue.entries import ModelEntry, ParamRule

DOCUMENT = Path(__file__).parents[2] / "docs" / "catalogue.md"


def grid(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(tuple(head))]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def code(text: object) -> str:
    return f"`{text}`" if text not in (None, "") else ""


def providers(catalogue: DatedCatalogue) -> str:
    rows = []
    for name in catalogue.presets():
        entry = catalogue.provider(name)
        assert entry is not None
        rows.append(
            [
                code(name),
                code(entry.base_url) or "say your own",
                entry.protocol,
                code(entry.response_format) or "never sent",
                entry.edits,
                entry.options if entry.protocol == "chat" or name in {"newapi", "clauddy"} else "",
                "yes" if entry.stream else "off",
                entry.unknown_params,
                "free"
                if entry.free
                else {"maker": "published", "estimate": "the maker's, as an estimate"}[entry.prices],
                str(entry.verified_at),
                entry.source,
            ]
        )
    head = ["preset", "base URL", "protocol", "`response_format`", "edits", "chat options", "partial images"]
    return grid([*head, "unknown parameters are", "prices", "verified", "source"], rows)


def notes(catalogue: DatedCatalogue) -> str:
    lines = []
    for name in catalogue.presets():
        entry = catalogue.provider(name)
        assert entry is not None
        for model, words in entry.models.items():
            assert isinstance(words, dict)
            whose = "every model" if model == "*" else code(model)
            lines.append(f"- **{name}**, {whose}: {'; '.join(said(words))}")
        lines += [f"- **{name}**: {note}" for note in entry.notes]
    return "\n".join(lines)


def said(words: dict[str, object]) -> Iterable[str]:
    """What a provider's entry for a model changes, key by key."""
    for key, value in words.items():
        inner = value if key == "params" and isinstance(value, dict) else {key: value}
        for name, change in inner.items():
            assert isinstance(change, dict)
            for part, what in change.items():
                shown = ", ".join(map(str, what)) if isinstance(what, list) else what
                yield f"`{name}.{part}` " + (f"is {shown}" if shown is not None else "is dropped")


def rule(entry: ModelEntry, name: str) -> str:
    known = entry.params.get(name)
    if known is None:
        return ""
    if known.verdict != "allowed":
        return known.verdict
    return ", ".join(known.values)


def sizes(entry: ModelEntry) -> str:
    known = entry.sizes
    if known is None:
        return ", ".join(entry.params["image_size"].values) if "image_size" in entry.params else ""
    if known.rule is None:
        return ", ".join(known.listed)
    grid_rule = known.rule
    least, most = grid_rule.pixels
    return f"/{grid_rule.multiple}, edge ≤ {grid_rule.longest}, ≤ {grid_rule.ratio:g}:1, {least:,} to {most:,} px"


def transparency(entry: ModelEntry) -> str:
    known = entry.params.get("background", ParamRule(verdict="ignored"))
    if known.verdict != "allowed" or "transparent" not in known.values:
        return "no"
    return "preview" if "transparent" in known.doubtful else "yes"


def end(entry: ModelEntry) -> str:
    if entry.retires is None:
        return ""
    successor = f" → {code(entry.retires.successor)}" if entry.retires.successor else ""
    return f"{entry.retires.date}{successor}" + (f" ({entry.retires.note})" if entry.retires.note else "")


def models(catalogue: DatedCatalogue) -> str:
    rows = []
    for name in catalogue.models():
        entry = catalogue.entry(name)
        assert entry is not None
        rows.append(
            [
                code(name),
                entry.title,
                "/".join(entry.protocols),
                sizes(entry),
                rule(entry, "quality"),
                transparency(entry),
                rule(entry, "input_fidelity"),
                f"{entry.inputs}{' + mask' if entry.mask and entry.inputs else ''}",
                end(entry),
                str(entry.verified_at),
            ]
        )
    head = ["model", "called", "protocol", "sizes", "quality", "transparent", "`input_fidelity`", "inputs", "ends"]
    return grid([*head, "verified"], rows)


def usd(amount: Decimal | None) -> str:
    return f"{amount.normalize():f}" if amount is not None else ""


def prices(catalogue: DatedCatalogue) -> str:
    rows = []
    openai, openrouter = catalogue.profile("openai"), catalogue.profile("openrouter")
    assert openai is not None
    assert openrouter is not None
    for name in catalogue.models():
        entry = catalogue.entry(name)
        assert entry is not None
        rates = entry.prices.per_million if entry.prices else None
        if rates is None:
            continue
        chat = entry.protocols == ("chat",)
        choices = entry.params["image_size" if chat else "quality"].values
        pictures = []
        for choice in choices:
            params = {"image_size": choice} if chat else {"quality": choice, "size": "1024x1024"}
            profile = replace(openrouter if chat else openai, stream=False)
            quote = catalogue.quote(profile, name, params, prompt_chars=0, input_sizes=[], count=1)
            assert quote is not None
            if choice != "auto":
                pictures.append(f"{choice} {quote.expected / 1_000_000:.4f}")
        text_in = f"{usd(rates.text_in)}" + (
            f" ({usd(rates.cached_text_in)})" if rates.cached_text_in is not None else ""
        )
        image_in = f"{usd(rates.image_in)}" + (
            f" ({usd(rates.cached_image_in)})" if rates.cached_image_in is not None else ""
        )
        rows.append(
            [code(name), text_in, image_in, usd(rates.image_out), usd(rates.text_out or None), ", ".join(pictures)]
        )
    head = ["model", "text in (cached)", "image in (cached)", "image out", "text out"]
    return grid([*head, "a picture of 1024x1024, or by `image_size`"], rows)


TABLES: dict[str, Callable[[DatedCatalogue], str]] = {
    "providers": providers,
    "differences": notes,
    "models": models,
    "prices": prices,
}


def filled(text: str, catalogue: DatedCatalogue) -> str:
    """The document with every table between its markers made anew."""
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        assert pattern.search(text), name
        table = make(catalogue)
        text = pattern.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)  # type: ignore[misc]
    return text


def main() -> None:
    catalogue = load_catalogue(today=date(2026, 11, 21))
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8"), catalogue), encoding="utf-8")


if __name__ == "__main__":
    main()
