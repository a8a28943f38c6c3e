"""A page's data → one HTML file that opens from disk: nothing is fetched, nothing in it runs but its own script."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from pipeline.domain.digest import Json

HERE = files("pipeline.sheet")


@cache
def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def render(page: Mapping[str, Json]) -> str:
    """The page. Pure. Every text of a manifest or a host stands in one JSON block and is shown as text only."""
    style, script = _text("page.css"), _text("page.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(_text("page.html.j2")).render(
        manifest=page["manifest"],
        style=Markup(style),  # noqa: S704 -- our own file
        script=Markup(script),  # noqa: S704 -- our own file
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=Markup(_json(page)),  # noqa: S704 -- `_json` leaves nothing that could end the block
    )


def _json(page: Mapping[str, Json]) -> str:
    """JSON that can stand in a script element: no ``<``, ``>`` or ``&``, no line separators of JavaScript."""
    text = json.dumps(page, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _hash(text: str) -> str:
    """The source of a Content-Security-Policy for an inline element with exactly this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def render_overview(jobs: Sequence[Mapping[str, object]]) -> str:
    """The page over all manifests: name, href, states as (state, count), last run, a few thumbs each. Pure."""
    style = _text("page.css")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(_text("overview.html.j2")).render(
        jobs=jobs,
        style=Markup(style),  # noqa: S704 -- our own file
        style_hash=_hash(style),
    )
