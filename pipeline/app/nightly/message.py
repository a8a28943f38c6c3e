"""What a webhook is told of a run: one JSON object that Slack, Discord and programs each understand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.app.exits import Exit
from pipeline.app.report import RunReport
from pipeline.domain.digest import Json
from pipeline.domain.money import show
from pipeline.domain.record import State

LONGEST = 1900
"""Characters of a text: Discord takes 2,000."""

NAMED = 5
"""Missing assets that are named."""

WORDS = {
    Exit.OK: "done",
    Exit.NOT_ALL: "some are missing",
    Exit.UNKNOWN: "some outcomes are unknown",
    Exit.FAULT: "a fault in the tool or the machine",
    Exit.USAGE: "the manifest is wrong",
    Exit.KEY_REFUSED: "the key was refused",
    Exit.NO_FUNDS: "no funds",
    Exit.FEED_GUARD: "the feed guard stopped it",
    Exit.BUDGET: "stopped by a budget",
    Exit.DEADLINE: "stopped by the deadline",
    Exit.BUSY: "another run holds the ledger",
    Exit.INTERRUPTED: "interrupted",
    Exit.TERMINATED: "terminated",
}
"""What an exit status means, in words for people who were asleep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """How a run ended. report: None where there was no run to tell of; fault: the line it ended with instead.

    link: where a person sees more: the page of the CI job, else the sheet's file; empty when there is none.
    """

    manifest: str
    exit: int
    report: RunReport | None = None
    fault: str = ""
    link: str = ""


def causes(message: Message) -> frozenset[str]:
    """Which words of ``when:`` apply; ``done`` when nothing is amiss."""
    found = set()
    if message.report is not None:
        tally = message.report.tally
        for word, states in (
            ("failed", (State.FAILED, State.SKIPPED)),
            ("refused", (State.REFUSED,)),
            ("unknown", (State.UNKNOWN,)),
        ):
            if any(tally.count(state) for state in states):
                found.add(word)
        if tally.unknown_attempts or message.report.older_unknown:
            found.add("unknown")
    if message.exit == Exit.BUDGET:
        found.add("budget")
    if message.exit not in {Exit.OK, Exit.NOT_ALL, Exit.BUDGET, Exit.UNKNOWN, Exit.WAITING}:
        found.add("error")
    return frozenset(found or {"done"})


def words_of(status: int) -> str:
    """What an exit status means."""
    return {int(known): words for known, words in WORDS.items()}.get(status, f"exit {status}")


def text_of(message: Message) -> str:
    """The message for people: a headline, the money, what is missing by name, what to type next, where to look."""
    return "\n".join(_lines(message))[:LONGEST]


def _lines(message: Message) -> Iterator[str]:
    yield f"pipeline: {message.manifest}: {words_of(message.exit)}"
    if message.fault:
        yield message.fault
    report = message.report
    if report is not None:
        yield from _report(report)
    if message.link:
        yield message.link


def _report(report: RunReport) -> Iterator[str]:
    tally = report.tally
    missing = (State.FAILED, State.REFUSED, State.UNKNOWN, State.SKIPPED, State.PLANNED)
    counts = [f"{tally.count(State.DONE)} made", f"{tally.cached} reused"]
    counts += [f"{tally.count(state)} {state.value}" for state in missing if tally.count(state)]
    unknown = f" + {show(tally.unknown)} unknown" if tally.unknown else ""
    yield f"{', '.join(counts)}; {show(tally.spent)} spent{unknown}"
    for row in report.trouble[:NAMED]:
        reason = f": {row.reason}" if row.reason else ""
        yield f"- {row.state.value} {row.asset}{reason}"
    if len(report.trouble) > NAMED:
        yield f"- and {len(report.trouble) - NAMED} more"
    yield from (f"stopped: {stop}" for stop in report.stops)
    yield from (f"next: {step}" for step in report.next_steps)


def body_for(url: str, message: Message) -> dict[str, Json]:
    """The JSON body for a webhook: Slack's or Discord's own form by its host, everything for anybody else.

    What a manifest or a host brought can neither mention people nor make links in it.
    """
    text = text_of(message)
    host = _host(url)
    if host.endswith("slack.com"):
        return {"text": _slack(text)}
    discord: dict[str, Json] = {"content": text, "allowed_mentions": {"parse": []}}
    if host.endswith(("discord.com", "discordapp.com")):
        return discord
    return {"text": _slack(text), **discord, **facts_of(message)}


def facts_of(message: Message) -> dict[str, Json]:
    """The same for programs: the object of ``run --json`` with ``when``, ``link`` and ``trouble``."""
    run: Mapping[str, Json] = message.report.as_json() if message.report is not None else {}
    trouble: list[Json] = []
    if message.report is not None:
        trouble = [
            {"asset": row.asset, "state": row.state.value, "reason": row.reason or None}
            for row in message.report.trouble[:100]
        ]
    return {
        **run,
        "manifest": message.manifest,
        "exit": message.exit,
        "when": [*sorted(causes(message))],
        "fault": message.fault or None,
        "link": message.link or None,
        "trouble": trouble,
    }


def link_of(environ: Mapping[str, str], report: RunReport | None) -> str:
    """Where a person sees more: ``PIPELINE_LINK``, the page of a GitHub or GitLab job, else the sheet's file."""
    if link := environ.get("PIPELINE_LINK", "") or environ.get("CI_JOB_URL", ""):
        return link
    server, repository, run = (environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    if server and repository and run:
        return f"{server}/{repository}/actions/runs/{run}"
    return report.sheet.as_uri() if report is not None and report.sheet is not None else ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
