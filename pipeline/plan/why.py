"""Why a step is asked: what differs between the key it had and the key it has, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.domain.digest import Json, canonical_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One part of a key that changed. part: ``prompt``, ``model``, ``protocol``, ``candidate``, ``key_version``,
    ``params.NAME``, ``image K`` or ``mask``, or ``parent``; old, new: None where the part was or is not there."""

    part: str
    old: Json
    new: Json

    @property
    def words(self) -> str:
        """``quality changed``, ``image 2 added``, ``mask removed``."""
        name = self.part.removeprefix("params.")
        if self.old is None:
            return f"{name} added"
        return f"{name} removed" if self.new is None else f"{name} changed"


def differences(
    old_parts: Mapping[str, Json], new_parts: Mapping[str, Json], *, chained: bool = False
) -> tuple[Difference, ...]:
    """What changed between two canonical part objects (`KeyParts.as_json`), in the order people look for it.

    chained: the first image is the parent's picture.
    """
    old, new = _flat(old_parts, chained=chained), _flat(new_parts, chained=chained)
    names = sorted({*old, *new}, key=_rank)
    return tuple(
        Difference(part=name, old=old.get(name), new=new.get(name))
        for name in names
        if canonical_json(old.get(name)) != canonical_json(new.get(name))
    )


def changed_words(found: Sequence[Difference]) -> str:
    """``prompt and quality changed, mask added``; empty when nothing differs."""
    by_verb: dict[str, list[str]] = {}
    for difference in found:
        name, _, verb = difference.words.rpartition(" ")
        by_verb.setdefault(verb, []).append(name)
    return ", ".join(f"{_listed(names)} {verb}" for verb, names in by_verb.items())


def _flat(parts: Mapping[str, Json], *, chained: bool) -> dict[str, Json]:
    flat = {name: value for name, value in parts.items() if name not in {"params", "inputs"}}
    params = parts.get("params")
    if isinstance(params, dict):
        flat.update({f"params.{name}": value for name, value in params.items()})
    inputs = parts.get("inputs")
    if isinstance(inputs, list):
        flat.update(_named_inputs(inputs, chained=chained))
    return flat


def _named_inputs(inputs: Sequence[Json], *, chained: bool) -> dict[str, Json]:
    named: dict[str, Json] = {}
    images = 0
    for entry in inputs:
        role, digest = entry if isinstance(entry, list) and len(entry) == 2 else ("image", entry)
        if role != "image":
            named[str(role)] = digest
            continue
        images += 1
        if chained and images == 1:
            named["parent"] = digest
        else:
            named[f"image {images - chained}"] = digest
    return named


def _rank(name: str) -> tuple[int, str]:
    order = ("prompt", "model", "protocol", "params.", "parent", "image", "mask", "candidate")
    return next((at for at, start in enumerate(order) if name.startswith(start)), len(order)), name


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
