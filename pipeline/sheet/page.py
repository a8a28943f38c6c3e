"""`Sheet` → the text of one HTML file that opens from disk: nothing is fetched, and only its own script runs in it.

What a manifest or a host said goes into the page as JSON that no markup can end, and is shown as text by the scripts
beside this file. The tiles' data come first; the stories, which are needed once somebody opens a picture or searches a
prompt, follow at the end, so that they hold nothing up.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from pipeline.domain.digest import Digest, Json
from pipeline.sheet.facts import head_of, stories_of
from pipeline.sheet.model import Seen, Sheet

SCRIPTS: Final = ("core.js", "shots.js", "viewer.js", "compare.js", "page.js")
STYLES: Final = ("page.css",)

_ENDING: Final = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def render(sheet: Sheet, seen: Mapping[Digest, Seen]) -> str:
    """The page. seen: where each picture of ``sheet.digests()`` is reached; one that is missing has a placeholder.

    Pure: the same sheet gives the same text.
    """
    head = head_of(sheet, seen)
    return fill(
        "page.html.j2",
        scripts=SCRIPTS,
        manifest=sheet.data.manifest,
        head=inert(head),
        stories=[inert(batch) for batch in stories_of(sheet)],
        groups=sheet.groups,
        plain=[(card, seen.get(card.row.image.digest, Seen()) if card.row.image else Seen()) for card in sheet.cards],
    )


def fill(template: str, *, scripts: Sequence[str], **values: object) -> str:
    """A template of ours with the style, *scripts* and the policy that lets these run and nothing else."""
    style = "".join(text_of(name) for name in STYLES)
    texts = [text_of(name) for name in scripts]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["address"] = address
    page = environment.from_string(text_of(template))
    text = page.render(policy=policy(style, texts), style=style, scripts=texts, **values)
    return text.encode("utf-8", "replace").decode("utf-8")


def policy(style: str, scripts: Sequence[str]) -> str:
    """The Content-Security-Policy: pictures from beside the page, our own script and style, and nothing else.

    ``file:`` is for pages opened from disk, where ``'self'`` matches nothing in some browsers.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "img-src 'self' file: data:",
            f"style-src '{_hash(style)}'",
            "script-src " + (" ".join(f"'{_hash(script)}'" for script in scripts) or "'none'"),
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def inert(value: Json) -> str:
    """JSON that can stand in a script element whatever its strings hold; a lone surrogate becomes its escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ENDING)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def address(path: str) -> str:
    """A relative path as a URL reference: only its slashes keep a meaning."""
    return quote(path, safe="/", errors="replace")


@cache
def text_of(name: str) -> str:
    """A file of ours beside this one."""
    return (files("pipeline.sheet") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
