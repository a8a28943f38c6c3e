"""Keys at speed and keys of what is not there yet; `pipeline.domain.step.step_key` stays the definition."""

import hashlib
from collections.abc import Mapping
from json.encoder import encode_basestring

from pipeline.domain.digest import Digest, Json, canonical_json
from pipeline.domain.step import KeyParts, Protocol, Role, Step, StepKey, step_key

KeyInputs = tuple[tuple[Role, Digest], ...]

_HOLE = "\x00the prompt goes here\x00"
_HOLE_JSON = canonical_json(_HOLE)
_HEADS = 1024
_PLANNED = "plan:"


class KeyMaker:
    """Keys of steps that differ only in prompt, inputs and candidate.

    The canonical JSON around the prompt is made and hashed once; each key hashes only its own prompt. The pieces are
    cut out of the real canonical JSON, so that a part added to `KeyParts` cannot be forgotten here.
    """

    def __init__(self, protocol: Protocol, model: str, params: Mapping[str, Json]) -> None:
        self._protocol: Protocol = protocol
        self._model = model
        self._params = params
        self._heads: dict[tuple[KeyInputs, int], tuple[hashlib._Hash, bytes]] = {}

    def key(self, prompt: str, inputs: KeyInputs, candidate: int) -> StepKey:
        """Exactly ``step_key`` of the same parts."""
        at = (inputs, candidate)
        found = self._heads.get(at)
        if found is None:
            found = self._head(at)
        head, tail = found
        whole = head.copy()
        whole.update(encode_basestring(prompt).encode("utf-8", "surrogatepass") + tail)
        return StepKey(whole.hexdigest())

    def _head(self, at: tuple[KeyInputs, int]) -> tuple["hashlib._Hash", bytes]:
        if len(self._heads) >= _HEADS:
            self._heads.clear()
        parts = KeyParts(
            protocol=self._protocol,
            model=self._model,
            params=self._params,
            prompt=_HOLE,
            inputs=at[0],
            candidate=at[1],
        )
        head, _, tail = canonical_json(parts.as_json()).rpartition(_HOLE_JSON)
        self._heads[at] = (hashlib.sha256(head), tail)
        return self._heads[at]


def planned_digest(parent: StepKey) -> Digest:
    """What stands for the picture of a parent that is not there yet; never a digest of bytes."""
    return Digest(_PLANNED + parent)


def plan_key(step: Step, parent_plan_key: StepKey | None = None) -> StepKey:
    """The name of a step for listing and pricing: its key, or, while its parent is not there, a key made of the
    parent's plan key. Two steps with one plan key will ask the same.

    Raises ValueError when an input that is not the parent's has no digest.
    """
    return step_key(step.parts(planned_digest(parent_plan_key) if parent_plan_key else None))
