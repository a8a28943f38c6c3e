"""A step, its key and the parts the key is made of (contract section 5)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NewType

from pipeline.domain.digest import Digest, Json, canonical_json

AssetName = NewType("AssetName", str)
"""``shot/key/key…[#candidate][/step]``: a wanted picture's name for ever."""

StepKey = NewType("StepKey", str)
"""Lower-case hexadecimal SHA-256 of everything that decides what is asked."""

Protocol = Literal["images", "chat"]
Role = Literal["image", "mask"]

KEY_VERSION = 1

UNKEYED_PARAMS = frozenset({"response_format", "stream", "partial_images", "user", "safety_identifier", "n"})
"""Parameters that change how an answer travels, never the picture (contract section 5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyParts:
    """Everything that decides what is asked.

    inputs: role and digest of each input in the order it is sent (a chain's parent picture first).
    candidate: from 1.
    """

    protocol: Protocol
    model: str
    params: Mapping[str, Json]
    prompt: str
    inputs: tuple[tuple[Role, Digest], ...] = ()
    candidate: int = 1

    def as_json(self) -> dict[str, Json]:
        """The canonical object that is hashed and stored beside the hash; empty parts are left out.

        Leaving out what is empty is what lets a later version add a part without renaming a key.
        """
        params: dict[str, Json] = {
            name: value for name, value in self.params.items() if name not in UNKEYED_PARAMS and value is not None
        }
        parts: dict[str, Json] = {
            "candidate": self.candidate,
            "key_version": KEY_VERSION,
            "model": self.model,
            "prompt": self.prompt,
            "protocol": self.protocol,
        }
        if params:
            parts["params"] = params
        if self.inputs:
            parts["inputs"] = [[role, digest] for role, digest in self.inputs]
        return parts


def step_key(parts: KeyParts) -> StepKey:
    """The key of a step. Pure: same parts, same key, on every machine."""
    return StepKey(hashlib.sha256(canonical_json(parts.as_json())).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """What to do with a decodable picture of another size or format than asked.

    ``any``: done with a warning. ``exact``: the asset is failed, reason ``mismatch``.
    """

    size: Literal["any", "exact"] = "any"
    format: Literal["any", "exact"] = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRef:
    """An input of a step: a local file (absolute path), an http(s) URL, or, with no source, the parent's picture.

    digest: SHA-256 of the bytes as given; None only for a parent that is not there yet.
    """

    role: Role
    source: str
    digest: Digest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One planned request for one asset: a cell's base picture, or one edit of its chain.

    axes: (axis name, key) in the order of the axes as written.
    step_id: empty for the base picture. depth: 0 for the base, k for the k-th edit.
    remaining: edits that follow this one in its chain.
    provider, model_alias: names in the manifest. model, params: as sent (merged, None removed).
    path: relative to the manifest's output folder, without extension.
    per_request: how many candidates of the same cell may travel in one request (1 for edits of a chain).
    problem: why this asset cannot be asked at all (a broken row, a missing photo); empty when it can.
    """

    asset: AssetName
    shot: str
    axes: tuple[tuple[str, str], ...]
    step_id: str
    depth: int
    candidate: int
    remaining: int
    provider: str
    model_alias: str
    model: str
    protocol: Protocol
    params: Mapping[str, Json]
    prompt: str
    inputs: tuple[InputRef, ...]
    parent: AssetName | None
    path: str
    accept: Accept = field(default_factory=Accept)
    per_request: int = 1
    problem: str = ""

    def parts(self, parent_picture: Digest | None = None) -> KeyParts:
        """The parts of this step's key; a step of a chain needs its parent's picture.

        Raises ValueError when an input has no digest yet.
        """
        inputs: list[tuple[Role, Digest]] = []
        for ref in self.inputs:
            digest = ref.digest or (parent_picture if not ref.source else None)
            if digest is None:
                raise ValueError(f"{self.asset}: an input has no digest yet")
            inputs.append((ref.role, digest))
        return KeyParts(
            protocol=self.protocol,
            model=self.model,
            params=self.params,
            prompt=self.prompt,
            inputs=tuple(inputs),
            candidate=self.candidate,
        )
