"""What the catalogue says to one request before it is sent: a table of findings, pure.

An error means the request will be refused; a warning, that something is dropped, doubtful or about to end.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pipeline.catalogue import sizes, values
from pipeline.catalogue.data import did_you_mean
from pipeline.catalogue.entries import ModelEntry, ParamRule, ProviderEntry, Retirement, Verdict
from pipeline.domain.capability import Finding, Profile
from pipeline.domain.digest import Json

MISPLACED: Mapping[str, tuple[str, str]] = {
    "n": ("n is no parameter", "write n: beside params, and per_request: to pack them"),
    "response_format": ("how pictures come back is the provider's business", "remove it; the profile decides"),
    "model": ("model is no parameter", "write model: beside params"),
    "prompt": ("prompt is no parameter", "write prompt: beside params"),
    "image": ("pictures are no parameter", "write images: beside params"),
    "images": ("pictures are no parameter", "write images: beside params"),
    "mask": ("the mask is no parameter", "write mask: beside params"),
    "messages": ("the conversation is made from the chain", "write prompt:, images: and chain:"),
}
"""Names that belong elsewhere in a manifest: what is wrong, what to write instead."""

TRANSPORT = ("stream", "partial_images")
"""Parameters of how an answer travels; they decide no picture and are no part of a key."""

SOON = 120
"""Days before its end from which a model is warned about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request to be judged. entry: None for a model nobody knows. exact: the id was found as written."""

    profile: Profile
    provider: ProviderEntry
    model: str
    entry: ModelEntry | None
    exact: bool
    known: tuple[str, ...]
    params: Mapping[str, Json]
    images: int
    mask: bool
    today: date

    @property
    def host(self) -> str:
        """The provider as people read it."""
        return self.profile.name or "this provider"

    @property
    def chat(self) -> bool:
        """Whether it travels as a chat, by the profile or because the model knows nothing else."""
        return self.profile.protocol == "chat" or (self.entry is not None and self.entry.protocols == ("chat",))


def findings(case: Case) -> tuple[Finding, ...]:
    """Everything the catalogue has to say, the model first, then its inputs, then each parameter in order."""
    return (*_of_model(case), *_of_inputs(case), *_of_params(case))


def _of_model(case: Case) -> Iterator[Finding]:
    if case.entry is None:
        what = f"the catalogue does not know {case.model!r}: all parameters are passed, nothing is checked or priced"
        yield Finding(severity="warning", param="", what=what, instead=did_you_mean(case.model, case.known))
        return
    if not case.exact:
        what = f"the snapshot {case.model!r} is not in the catalogue; it is taken to be as its family"
        yield Finding(severity="hint", param="", what=what)
    if case.entry.retires:
        yield from _of_retirement(case, case.entry.retires)
    if case.profile.protocol not in case.entry.protocols and not case.profile.free:
        spoken = " or ".join(case.entry.protocols)
        what = f"{case.model} is not known to answer on the {case.profile.protocol} protocol"
        yield Finding(severity="warning", param="", what=what, instead=f"protocol: {spoken}")


def _of_retirement(case: Case, end: Retirement) -> Iterator[Finding]:
    days = (end.date - case.today).days
    instead = f"use {end.successor}" if end.successor else ""
    note = f"; {end.note}" if end.note else ""
    if days <= 0:
        here = case.profile.name in end.by
        where = f"at {case.host}" if here else f"at its maker, {case.host} may still have it"
        what = f"{case.model} ended on {end.date} {where}{note}"
        yield Finding(severity="error" if here else "warning", param="", what=what, instead=instead)
    elif days <= SOON:
        when = "tomorrow" if days == 1 else f"in {days} days"
        yield Finding(
            severity="warning", param="", what=f"{case.model} ends {when} ({end.date}{note})", instead=instead
        )


def _of_inputs(case: Case) -> Iterator[Finding]:
    if case.images and case.profile.edits == "none" and not case.chat:
        what = f"{case.host} has no edits, so no picture can go along"
        yield Finding(severity="error", param="images", what=what, instead="use another provider for this shot")
    if case.entry is None:
        return
    if case.images > case.entry.inputs:
        most = case.entry.inputs
        what = (
            f"{case.model} takes {most} input pictures at most, not {case.images}"
            if most
            else f"{case.model} has no edits"
        )
        yield Finding(severity="error", param="images", what=what)
    if case.mask and not case.entry.mask:
        what = f"{case.model} knows no mask"
        yield Finding(severity="error", param="mask", what=what, instead="say in the prompt what may change")


def _of_params(case: Case) -> Iterator[Finding]:
    for name, value in case.params.items():
        if name in MISPLACED:
            what, instead = MISPLACED[name]
            yield Finding(severity="error", param=name, what=what, instead=instead)
        elif value is None:
            continue
        elif name in TRANSPORT:
            yield from _of_transport(case, name, value)
        elif case.entry is not None:
            yield from _of_param(case, case.entry, name, value)


def _of_transport(case: Case, name: str, value: Json) -> Iterator[Finding]:
    if name == "partial_images" and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 3):
        yield Finding(severity="error", param=name, what=f"partial_images is 0 to 3, not {value!r}", instead="use 1")
    elif name == "stream" and not isinstance(value, bool):
        yield Finding(severity="error", param=name, what=f"stream is true or false, not {value!r}")
    else:
        what = f"{name} is the provider's business and decides no picture"
        yield Finding(severity="warning", param=name, what=what, instead="write stream: auto or off at the provider")


def _of_param(case: Case, entry: ModelEntry, name: str, value: Json) -> Iterator[Finding]:
    if name == "size" and entry.sizes is not None and name not in entry.params:
        yield from _of_size(case, entry, value)
        return
    rule = entry.params.get(name)
    if rule is None:
        yield _unknown(case, entry, name)
        return
    if rule.verdict != "allowed":
        yield _verdict(case, name, rule)
    else:
        yield from _of_value(case, name, value, rule)
        yield from _of_company(case, entry, name, value, rule)
    yield from _of_relay(case, name)


def _of_size(case: Case, entry: ModelEntry, value: Json) -> Iterator[Finding]:
    known = entry.sizes
    if known is None:
        return
    if not sizes.is_legal(known, value):
        wanted = sizes.meant(value)
        why = sizes.fault(known.rule, wanted) if known.rule and wanted else ""
        if not why:
            why = "it must be written WIDTHxHEIGHT" if known.rule else f"known: {', '.join(known.listed)}"
        what = f"size {values.shown(value)} is not legal for {case.model}: {why}"
        yield Finding(severity="error", param="size", what=what, instead=f"use {sizes.nearest(known, value)}")
        return
    if value == "auto" or not isinstance(value, str):
        return
    if known.listed and value not in known.listed:
        what = f"size {value} is not among those {case.host} names for {case.model}: {', '.join(known.listed)}"
        yield Finding(severity=_severity(known.beyond), param="size", what=what)
    if value in known.listed:
        return
    wide, high = sizes.edges(value)
    if known.rule and known.rule.steady and wide * high > known.rule.steady:
        what = f"size {value} is experimental for {case.model}: more than {known.rule.steady:,} pixels"
        yield Finding(severity="hint", param="size", what=what)


def _of_value(case: Case, name: str, value: Json, rule: ParamRule) -> Iterator[Finding]:
    if wrong := values.fault(name, value, rule):
        what, instead = wrong
        yield Finding(severity="error", param=name, what=f"{what} for {case.model}", instead=instead)
        return
    if value == rule.harmless:
        return
    why = rule.doubtful.get(str(value)) or rule.doubtful.get("*")
    if why:
        yield Finding(severity="warning", param=name, what=f"{name} {values.shown(value)}: {why}")


def _of_company(case: Case, entry: ModelEntry, name: str, value: Json, rule: ParamRule) -> Iterator[Finding]:
    """Findings about what must go with this value: an endpoint, or other parameters."""
    here = "edits" if case.images else "generations"
    if rule.only and rule.only != here:
        why = f": {rule.why}" if rule.why else ""
        what = f"{name} belongs to {rule.only}, and this is one of {here}{why}"
        yield Finding(severity=_severity(rule.elsewhere), param=name, what=what, instead="remove it here")
    if value == rule.harmless:
        return
    needed = rule.needs.get(str(value)) or rule.needs.get("*") or {}
    for other, fitting in needed.items():
        has = _value_of(case.params, entry, other)
        if has not in fitting:
            yield Finding(
                severity=_severity(rule.unmet),
                param=other if other in case.params else name,
                what=f"{name} {values.shown(value)} needs {other} {' or '.join(fitting)}, not {has or 'none'}",
                instead=f"write {other}: {fitting[0]}",
            )


def _value_of(params: Mapping[str, Json], entry: ModelEntry, name: str) -> str:
    value = params.get(name)
    if value is None:
        rule = entry.params.get(name)
        value = rule.default if rule else None
    return "" if value is None else str(value)


def _of_relay(case: Case, name: str) -> Iterator[Finding]:
    if case.provider.relays and not case.chat and not case.images and name not in case.provider.relays:
        what = f"{case.host} does not pass {name} on: it is dropped silently"
        yield Finding(severity="warning", param=name, what=what)


def _verdict(case: Case, name: str, rule: ParamRule) -> Finding:
    said = {"refused": "refuses", "ignored": "ignores"}.get(rule.verdict, "may refuse or ignore")
    why = f": {rule.why}" if rule.why else ""
    severity = _severity("refused" if rule.verdict == "refused" else "ignored")
    what = f"{case.model} at {case.host} {said} {name}{why}"
    return Finding(severity=severity, param=name, what=what, instead="remove it")


def _unknown(case: Case, entry: ModelEntry, name: str) -> Finding:
    follows = {
        "refused": f"{case.host} answers unknown parameters with 400",
        "dropped": f"{case.host} may drop it silently",
        "passed": "it is passed as it is",
    }[case.provider.unknown_params]
    known = (*entry.params, *(("size",) if entry.sizes else ()))
    what = f"{case.model} knows no parameter {name!r}; {follows}"
    return Finding(severity="warning", param=name, what=what, instead=did_you_mean(name, known))


def _severity(verdict: Verdict) -> Literal["error", "warning"]:
    return "error" if verdict == "refused" else "warning"
