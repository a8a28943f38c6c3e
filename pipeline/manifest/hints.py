"""What is legal and seldom meant."""

import re
from collections.abc import Mapping

from pipeline.manifest.places import Loc, Problems
from pipeline.manifest.template import Template

_KEEPS = re.compile(
    r"keep|kept|same|identical|unchanged|preserv|retain|maintain|intact|untouched|nothing else|only the|as (?:it|they) "
    r"|behalt|beibehalt|unverändert|gleich|sonst nichts|conserv|gard[eo]|inchang|même|manten|igual|mism[oa]|stess[oa]"
    r"|保持|不变|保留|維持|同じ|そのまま|유지",
    re.IGNORECASE,
)


def hint_at_edit(prompt: Template, loc: Loc, text: Mapping[str, str], problems: Problems) -> None:
    """Hints at an edit that does not say what to keep: models then redraw more than was asked."""
    words = [part for part in prompt.plain or (prompt.source,) if isinstance(part, str)]
    words += [text.get(name, "") for name in prompt.attributes.get("text", ())]
    if not any(_KEEPS.search(word) for word in words):
        what = "hint: this edit does not say what to keep, so more may change than is asked"
        problems.warn(loc, what, "end it with 'Keep everything else identical.'")


def hint_at_text(text: Mapping[str, str], problems: Problems) -> None:
    """Hints at words that look like templates: they are put in as they are."""
    for name, words in text.items():
        if "{{" in words or "{%" in words:
            problems.warn(
                ("text", name), "hint: words under text: are put in as they are, not filled in", "say it in the prompt"
            )
