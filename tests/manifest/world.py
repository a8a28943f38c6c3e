"""A folder with a manifest in it, and a small honest catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.domain.capability import Finding, Limits, Profile, Quote
from pipeline.domain.digest import Json
from pipeline.domain.errors import ManifestError, Problem
from pipeline.domain.money import MicroUsd
from pipeline.domain.request import Usage
from pipeline.manifest import load
from pipeline.manifest.model import Manifest

_PROFILES = {
    "openai": Profile(name="openai", base_url="https://api.openai.com/v1", limits=Limits(concurrency=8)),
    "openrouter": Profile(name="openrouter", base_url="https://openrouter.ai/api/v1", protocol="chat"),
    "newapi": Profile(name="newapi"),
    "sketch": Profile(name="sketch", base_url="embedded:", free=True),
}
_OPINIONS: tuple[tuple[str, Literal["error", "warning", "hint"]], ...] = (
    ("style", "error"),
    ("mood", "warning"),
    ("seed", "hint"),
)
_MODELS = ("gpt-image-2", "gemini-3-pro-image")


class SmallCatalogue:
    """Knows two models; refuses `style`, ignores `mood`, hints at `seed`, and lets 1920x1080 be 1920x1088."""

    def __init__(self, models: Sequence[str] = _MODELS) -> None:
        self._models = tuple(models)

    def overridden(self, extra: Mapping[str, object]) -> "SmallCatalogue":
        """Knows the models under `models` as well."""
        more: list[str] = []
        for section, entries in extra.items():
            if section != "models" or not isinstance(entries, dict):
                raise ManifestError([Problem(file="catalogue", line=0, column=0, what=f"unknown key '{section}'")])
            more += entries
        return SmallCatalogue((*self._models, *more))

    def profile(self, preset: str) -> Profile | None:
        return _PROFILES.get(preset)

    def presets(self) -> Sequence[str]:
        return tuple(_PROFILES)

    def check(
        self, profile: Profile, model: str, params: Mapping[str, Json], *, images: int, mask: bool
    ) -> Sequence[Finding]:
        found: list[Finding] = []
        if model not in self._models:
            found.append(Finding(severity="warning", param="", what=f"the catalogue does not know {model}"))
        if images > 3:
            found.append(Finding(severity="error", param="images", what="too many images for it"))
        if params.get("size") == "1920x1080":
            found.append(Finding(severity="error", param="size", what="no multiple of 16", instead="use 1920x1088"))
        for name, severity in _OPINIONS:
            if name in params:
                found.append(Finding(severity=severity, param=name, what=f"{model} and {name}"))
        return found

    def quote(
        self,
        profile: Profile,
        model: str,
        params: Mapping[str, Json],
        *,
        prompt_chars: int,
        input_sizes: Sequence[tuple[int, int]],
        count: int,
    ) -> Quote | None:
        price = MicroUsd(0 if profile.free else 40_000 * count)
        return Quote(expected=price, worst=price, source="price") if model in self._models or profile.free else None

    def bill(self, profile: Profile, model: str, usage: Usage) -> MicroUsd | None:
        return None


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder that manifests are written to and loaded from; messages name the manifest `m.yaml`."""

    root: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def load(
        self, text: str | bytes, *, sets: Sequence[str] = (), provider: str | None = None, strict: bool = False
    ) -> Manifest:
        path = self.write("m.yaml", text)
        return load(path, environ=self.environ, sets=sets, provider=provider, catalogue=SmallCatalogue(), strict=strict)

    def problems(
        self, text: str | bytes, *, sets: Sequence[str] = (), provider: str | None = None, strict: bool = False
    ) -> list[str]:
        """Every problem as printed, without the folder's own path; empty when the manifest is sound."""
        try:
            self.load(text, sets=sets, provider=provider, strict=strict)
        except ManifestError as error:
            return [self.shown(problem) for problem in error.problems]
        return []

    def warnings(self, text: str | bytes, *, sets: Sequence[str] = ()) -> list[str]:
        return [self.shown(warning) for warning in self.load(text, sets=sets).warnings]

    def shown(self, line: object) -> str:
        return str(line).replace(f"{self.root}/", "")


def shop(shot: str) -> str:
    """A manifest around one shot, whose lines begin at line 5 of the file; `text.keep` is there."""
    indented = "".join(f"    {line}\n" for line in shot.splitlines())
    return f"version: 1\nname: shop\nshots:\n  hero:\n{indented}text: {{keep: Keep it.}}\n"
