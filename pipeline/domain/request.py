"""What is asked of an endpoint and what it answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.domain.digest import Digest, Json
from pipeline.domain.money import MicroUsd
from pipeline.domain.step import KeyParts, Protocol, Role, Step, StepKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An input made ready to send: a file of ours that nobody edits, in a form the host accepts.

    digest: of the bytes as given (the one in the key). path: the bytes to send. size in bytes.
    filename: ASCII, with the extension of media_type. notes: what was done to it (``turned upright``).
    """

    role: Role
    digest: Digest
    path: Path
    size: int
    media_type: str
    filename: str
    width: int
    height: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyStep:
    """A step whose inputs are all there, so that it has a key."""

    step: Step
    key: StepKey
    parts: KeyParts


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An earlier exchange of a chain, for hosts that want the whole conversation."""

    prompt: str
    inputs: tuple[Prepared, ...]
    picture: Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """One paid request: one POST per attempt.

    steps: the candidates asked for, one picture each; more than one only where they are packed.
    params: as merged (the endpoint's dialect decides how each travels). count: pictures asked (= len(steps)).
    expected, worst: price of this one request in micro-USD. tokens: its expected size for token limits.
    renew: asked anew on purpose although the ledger has something for a key.
    """

    steps: tuple[ReadyStep, ...]
    provider: str
    protocol: Protocol
    model: str
    prompt: str
    params: Mapping[str, Json]
    inputs: tuple[Prepared, ...] = ()
    history: tuple[Turn, ...] = ()
    expected: MicroUsd = MicroUsd(0)
    worst: MicroUsd = MicroUsd(0)
    tokens: int = 0
    renew: bool = False

    @property
    def count(self) -> int:
        """Pictures asked for."""
        return len(self.steps)

    @property
    def is_edit(self) -> bool:
        """Whether any picture goes along."""
        return bool(self.inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Status line and headers of an answer; names in lower case. seconds: from the first byte sent to the head."""

    status: int
    headers: Mapping[str, str]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of an answer: its bytes, or where to fetch them."""

    data: bytes = b""
    url: str = ""
    revised_prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the answer tells them; 0 where it is silent. cost: the host's own figure in micro-USD, if any."""

    text_in: int = 0
    image_in: int = 0
    cached_in: int = 0
    text_out: int = 0
    image_out: int = 0
    cost: MicroUsd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole, readable answer with at least one picture.

    resolved: size, quality, background, output_format as the host says it used them.
    text: what a chat model said beside the picture. sketch: our own gateway drew it.
    """

    pictures: tuple[Picture, ...]
    usage: Usage | None = None
    request_id: str = ""
    resolved: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    sketch: bool = False
