"""`base_url` as people paste it, as the base that requests are made from."""

import re
from urllib.parse import SplitResult, urlsplit

_ENDPOINT = re.compile(
    r"/(?:images(?:/(?:generations|edits|variations))?|chat(?:/completions)?|completions|responses|embeddings|models)$",
    re.IGNORECASE,
)
_LOCAL = re.compile(r"^(?:localhost|127\.|0\.0\.0\.0|\[::1\]|192\.168\.|10\.)", re.IGNORECASE)
_USUAL = "/v1"


def base_of(pasted: str, preset_base: str = "") -> str:
    """The base URL without a trailing slash: `https://host/v1`, or the path that was meant on purpose.

    Raises ValueError with what to write instead; the message never has a password or a query in it.
    """
    text = pasted.strip().rstrip("#").strip()
    if "://" not in text:
        guess = f"{'http' if _LOCAL.match(text) else 'https'}://{text}"
        raise ValueError(f"it lacks https://: write {_named(guess, preset_base)}")
    parts = _split(text)
    if parts.scheme not in {"http", "https"}:
        raise ValueError("it must start with https:// or http://")
    right = _base(parts, preset_base)
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"it must not carry a user or password: write {right} and give the key as api_key")
    if parts.query or parts.fragment:
        raise ValueError(f"it must not carry a query or fragment: write {right}")
    return right


def _named(text: str, preset_base: str) -> str:
    try:
        return _base(_split(text), preset_base)
    except ValueError:
        return "https://HOST/v1"


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it is not a URL: write it like https://HOST/v1") from None
    if not host or re.search(r"[\s\\<>{}|^`\"]", text):
        raise ValueError("it is not a URL: write it like https://HOST/v1")
    return parts


def _base(parts: SplitResult, preset_base: str) -> str:
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    shortened = _ENDPOINT.sub("", path)
    while shortened != path:
        path, shortened = shortened, _ENDPOINT.sub("", shortened)
    path = re.sub(r"(/v1)+$", "/v1", path, flags=re.IGNORECASE)
    preset = urlsplit(preset_base)
    if preset.hostname and preset.hostname == parts.hostname and preset.path.startswith(path.removesuffix("/v1")):
        path = preset.path.rstrip("/")
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host}{path or _USUAL}"
