"""The dialects: what each kind of host accepts, refuses, drops and answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

ResultForm: TypeAlias = Literal["b64_json", "url"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One dialect.

    strict: bad and unknown parameters get the genuine 400. response_format: refuse, ignore or honour it.
    result: the form when nobody asked. sizes: ``openai`` (the rule of gpt-image-2), ``2k`` or ``any``.
    usage, revised_prompt, resolved: whether answers carry them. blanks: absent fields are there as "".
    relay_errors: errors come as new-api writes them. models: what an unknown model gets.
    done: streams of pictures end with ``[DONE]``.
    """

    name: str
    strict: bool = False
    response_format: Literal["refuse", "ignore", "honour"] = "honour"
    result: ResultForm = "b64_json"
    sizes: Literal["openai", "2k", "any"] = "any"
    default_size: str = "auto"
    edits: bool = True
    usage: bool = True
    resolved: bool = True
    revised_prompt: bool = False
    blanks: bool = False
    relay_errors: bool = False
    models: Literal["any", "openai", "channel"] = "any"
    done: bool = False
    largest_n: int = 10


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(name="openai", strict=True, response_format="refuse", sizes="openai", models="openai"),
        Profile(name="clauddy", response_format="ignore", sizes="2k", relay_errors=True, models="channel"),
        Profile(
            name="dieyuyun",
            result="url",
            default_size="1024x1024",
            edits=False,
            usage=False,
            resolved=False,
            revised_prompt=True,
            relay_errors=True,
            models="channel",
        ),
        # n is bounded by new-api itself at 128 only, and answered 500 above it.
        Profile(name="newapi", blanks=True, relay_errors=True, models="channel", done=True, largest_n=128),
        Profile(name="lenient"),
    )
}
