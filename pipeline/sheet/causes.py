"""What is missing, grouped by cause, with the commands that settle it."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.domain.digest import Digest
from pipeline.domain.record import Reason, RunRow, State
from pipeline.domain.step import AssetName
from pipeline.sheet.model import FIRST, Card, Command, Group, SheetData

MOST_NAMES = 100
"""Assets that ``--only`` names; for more of them the next run is simply told to go on."""

_VARYING = re.compile(r"\S*/\S+|\b(?:req|request|chatcmpl|img|id)[-_ :]+[\w.:-]{6,}|\b[0-9a-fA-F]{8,}\b|\d+(?:\.\d+)?")
_GLOB = re.compile(r"([*?\[])")
_LITERAL = r"[\1]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """How a kind of trouble is told. title: after its count. settle: what each command does, and the command.

    In it {M} is the manifest; {EACH} and {AGAIN} name the assets, bare and as options, for what must not reach further;
    {NAMES} and {ONLY} do so unless they are all there are of their state.
    """

    title: str
    advice: str = ""
    settle: tuple[tuple[str, str], ...] = ()


_KEEP_OR_ASK = (
    ("keep the picture as it is", "pipeline bless {M} {EACH}"),
    ("ask anew", "pipeline run {M} {AGAIN}"),
)

_DEFAULT = {
    State.UNKNOWN: _Told(
        title="with an unknown outcome",
        advice="Asked, perhaps billed, and no usable answer came. Nothing is asked again until you say what became of "
        "them; the provider's usage page knows.",
        settle=(
            ("they were billed: count the money, ask no more", "pipeline reconcile {M} {NAMES} --billed"),
            ("they were not billed: the next run asks again", "pipeline reconcile {M} {NAMES} --not-billed"),
            ("ask again, counting these as billed", "pipeline reconcile {M} {NAMES} --rebuy"),
        ),
    ),
    State.REFUSED: _Told(
        title="refused",
        advice="The content rules of the provider said no. Other words in the prompt are a new request; the same words "
        "are mostly refused again.",
        settle=(("ask again with the same words", "pipeline run {M} --retry refused {ONLY}"),),
    ),
    State.FAILED: _Told(
        title="failed", advice="The next run asks again.", settle=(("ask again", "pipeline run {M} {ONLY}"),)
    ),
    State.SKIPPED: _Told(
        title="waiting for the picture they are made from",
        advice="Settle the picture above them in their chain; the next run makes these too.",
    ),
    State.PLANNED: _Told(
        title="not tried yet",
        advice="The next run asks for them.",
        settle=(("go on", "pipeline run {M}"),),
    ),
    State.WAITING: _Told(title="waiting for a person"),
}

_BY_REASON = {
    Reason.INPUT: _Told(
        title="without a usable input",
        advice="Correct the row or the file named here; the next run asks for them.",
        settle=(("then", "pipeline run {M} {ONLY}"),),
    ),
    Reason.OPAQUE: _Told(
        title="not transparent, although that was asked",
        advice="Paid for, kept and shown; not a parent of anything, and not asked again by itself.",
        settle=_KEEP_OR_ASK,
    ),
    Reason.MISMATCH: _Told(
        title="of another size or format than `accept` allows",
        advice="Paid for, kept and shown; not asked again by itself.",
        settle=_KEEP_OR_ASK,
    ),
    Reason.LOST: _Told(
        title="billed, and never came",
        advice="The money is counted as spent; they are not asked again by themselves.",
        settle=(("ask anew", "pipeline run {M} {AGAIN}"),),
    ),
    Reason.REJECTED: _Told(
        title="rejected by the provider",
        advice="It does not take such a request. Correct the manifest; a changed request is asked by the next run.",
        settle=(("then", "pipeline run {M} {ONLY}"),),
    ),
    Reason.MODEL: _Told(
        title="whose model the provider would not give",
        advice="Correct the model in the manifest, or ask the provider for access.",
        settle=(("see what the provider offers", "pipeline doctor {M}"), ("then", "pipeline run {M} {ONLY}")),
    ),
    Reason.EXHAUSTED: _Told(
        title="given up after several tries",
        advice="The provider was not able to answer. The next run asks again.",
        settle=(("ask again", "pipeline run {M} {ONLY}"),),
    ),
}

_LOST_FROM_DISK = _Told(
    title="lost from the disk",
    advice="Their kept pictures are gone for good; the next run asks for them again.",
    settle=(("buy them again", "pipeline run {M}"),),
)

_STOPPED = {
    3: ("The last run stopped because its key was refused.", "pipeline doctor {M}"),
    4: ("The last run stopped because the provider has no money of yours left.", "pipeline doctor {M}"),
    5: ("The last run stopped at the feed: it had changed more than its guard allows.", "pipeline plan {M}"),
    12: ("The last run stopped at its budget.", "pipeline plan {M}"),
    13: ("The last run stopped at its deadline.", "pipeline plan {M}"),
    130: ("The last run was interrupted.", "pipeline plan {M}"),
    143: ("The last run was terminated.", "pipeline plan {M}"),
}


def groups_of(data: SheetData, cards: Sequence[Card], lacking: frozenset[Digest]) -> tuple[Group, ...]:
    """Every group, the worst state first and the largest first within it; then what is there but wants a look.

    lacking: pictures whose bytes are nowhere.
    """
    found: dict[tuple[State, str, str], list[Card]] = {}
    for card in cards:
        if card.row.state is not State.DONE:
            found.setdefault((card.row.state, card.row.reason, _likeness(card)), []).append(card)
    sizes: dict[State, int] = {}
    for (state, _, _), members in found.items():
        sizes[state] = sizes.get(state, 0) + len(members)
    ranked = sorted(found.items(), key=lambda item: (FIRST.index(item[0][0]), -len(item[1]), item[0][1:]))
    groups = [
        _group(data, members, whole=len(members) == sizes[state] and not data.left_out)
        for (state, _, _), members in ranked
    ]
    return (*groups, *_gone(data, cards, lacking), *_warned(cards))


def _group(data: SheetData, members: Sequence[Card], *, whole: bool) -> Group:
    row = members[0].row
    told = _told_of(row.state, row.reason, data.runs)
    names = tuple(card.row.asset for card in members)
    return Group(
        state=row.state,
        title=f"{len(members):,} {told.title}",
        cause=_cause(members),
        advice=told.advice,
        assets=names,
        commands=tuple(
            Command(does=does, text=_filled(command, data, names, whole=whole)) for does, command in told.settle
        ),
    )


def _told_of(state: State, reason: str, runs: Sequence[RunRow]) -> _Told:
    if state is State.PLANNED:
        return _LOST_FROM_DISK if reason == Reason.LOST else _not_tried(runs)
    special = _BY_REASON.get(Reason(reason)) if state is State.FAILED and reason in set(Reason) else None
    return special or _DEFAULT[state]


def _not_tried(runs: Sequence[RunRow]) -> _Told:
    plain = _DEFAULT[State.PLANNED]
    stopped = _STOPPED.get(runs[0].exit or 0) if runs else None
    if stopped is None:
        return plain
    why, look = stopped
    return _Told(title=plain.title, advice=f"{why} {plain.advice}", settle=(("look first", look), *plain.settle))


def _cause(members: Sequence[Card]) -> str:
    """The first message, and how many others there are that differ in a number or a name."""
    messages = dict.fromkeys(card.message for card in members)
    first = next(iter(messages))
    return f"{first}\n(and {len(messages) - 1:,} more of this kind)" if len(messages) > 1 else first


def _likeness(card: Card) -> str:
    """What assets that lack for one cause have in common: the message less its numbers, files and ids."""
    if card.row.state is State.SKIPPED:
        return ""
    code = card.attempts[-1].error_code if card.attempts else ""
    return f"{code} {_VARYING.sub('#', card.message.replace(card.row.asset, '#'))[:200]}"


def _filled(command: str, data: SheetData, names: Sequence[AssetName] = (), *, whole: bool = True) -> str:
    """A command with everything a shell needs quoted. whole: no other asset is in the state of these."""
    words = {
        "{M}": data.typed,
        "{EACH}": " ".join(map(shlex.quote, names)),
        "{NAMES}": "" if whole else " ".join(map(shlex.quote, names)),
        "{ONLY}": "" if whole or len(names) > MOST_NAMES else _option("--only", names),
        "{AGAIN}": _option("--again", names),
    }
    filled = (words.get(word, word) for word in (*command.split(" "), data.options))
    return " ".join(word for word in filled if word)


def _option(option: str, names: Iterable[AssetName]) -> str:
    """An option once for each name; a name is no pattern."""
    return " ".join(f"{option} {shlex.quote(_GLOB.sub(_LITERAL, name))}" for name in names)


def _gone(data: SheetData, cards: Sequence[Card], lacking: frozenset[Digest]) -> Iterator[Group]:
    names = tuple(card.row.asset for card in cards if card.row.image is not None and card.row.image.digest in lacking)
    if names:
        yield Group(
            state=State.FAILED,
            title=f"{len(names):,} whose files are gone",
            cause="",
            advice="The ledger knows these pictures, but neither their file nor the kept bytes are there. What can be "
            "put back for nothing is put back; the rest is asked for by the next run.",
            assets=names,
            commands=(
                Command(does="put back what can be", text=_filled("pipeline verify --repair", data)),
                Command(does="then", text=_filled("pipeline run {M}", data)),
            ),
        )


def _warned(cards: Sequence[Card]) -> Iterator[Group]:
    found: dict[str, list[Card]] = {}
    for card in cards:
        if card.row.state is State.DONE and card.row.warnings:
            found.setdefault(_VARYING.sub("#", card.row.warnings[0])[:200], []).append(card)
    for members in sorted(found.values(), key=len, reverse=True):
        yield Group(
            state=State.DONE,
            title=f"{len(members):,} there, with a warning",
            cause=members[0].row.warnings[0],
            advice="Kept and used as it is.",
            assets=tuple(card.row.asset for card in members),
            commands=(),
        )
