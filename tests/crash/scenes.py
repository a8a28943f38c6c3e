"""One story of kills: a folder with a manifest, the program killed again and again, people deciding, the checker."""

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.history import PRICE, Expected, History, faults, gather
from tests.crash.program import Ended, Running, Server
from tests.crash.witness import Witness
from tests.fakes import png

CANARY = "sk-canary-5d1f0c7e9b"
NAME = "crash"

MANIFEST = """\
version: 1
name: crash
providers:
  shop: {{preset: openai, base_url: "{base}", api_key: env:CRASH_KEY, stream: off, limits: {{concurrency: {at_once}}}}}
models: {{main: {{provider: shop, model: acme-paint, price: 0.04 USD}}}}
budget: {{per_run: 10 USD}}
shots:
  one: {{matrix: {{n: [a, b, c, d, e]}}, prompt: "one {{{{ n }}}}"}}
  chain:
    matrix: {{n: [a, b]}}
    n: 2
    prompt: "base {{{{ n }}}}"
    chain: [{{id: ribbon, prompt: "ribbon {{{{ n }}}}"}}, {{id: night, prompt: "night {{{{ n }}}}"}}]
  pack: {{n: 3, per_request: 3, prompt: pack}}
  edit: {{images: [photo.png], prompt: edit}}
  far: {{matrix: {{n: [a, b]}}, prompt: "url {{{{ n }}}}"}}
"""

WANTED: Mapping[str, int] = {
    **{f"one {n}": 1 for n in "abcde"},
    **{f"{word} {n}": 2 for word in ("base", "ribbon", "night") for n in "ab"},
    "pack": 3,
    "edit": 1,
    "url a": 1,
    "url b": 1,
}
"""How many assets each prompt is for: 23 pictures of 21 requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """When the process dies: at a failpoint (``name:k``), or so many seconds after so many requests were sold."""

    at: str = ""
    after: float = 0.0
    sold: int = 0


@dataclass(slots=True, kw_only=True)
class Story:
    """A folder, a program and a witness. kills: how often the program died so far. waiting: answers that may lie in the
    spool until the next start, because there was no room for their pictures. faults: what the checker found.

    view: where the output folder is seen from here, where the program lives in a name space of its own.
    """

    folder: Path
    server: Server
    witness: Witness
    at_once: int
    view: Path | None = None
    kills: int = 0
    waiting: int = 0
    unknown: int = 0
    rebuys: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = MANIFEST.format(base=self.witness.base, at_once=self.at_once)
        (self.folder / "crash.yaml").write_text(text)
        (self.folder / "photo.png").write_bytes(png("photo", width=16, height=16))

    @property
    def output(self) -> Path:
        return self.view or self.folder / "output"

    def history(self) -> History:
        return gather(self.output, NAME, self.witness.sales(), self.witness.delivered, CANARY)

    def command(self, *argv: str, kill: Kill | None = None) -> Ended:
        """One command line to its end, or to its death; then everything is checked."""
        environ = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "CRASH_KEY": CANARY, "NO_COLOR": "1"}
        if kill and kill.at:
            environ["PIPELINE_FAILPOINT"] = f"{kill.at}:kill"
        running = self.server.start([*argv], cwd=self.folder, environ=environ)
        self.witness.pid = running.pid
        if kill and not kill.at:
            self._strike(running, kill)
        ended = running.wait()
        self._settle_lines()
        self.kills += ended.killed
        self.lines.append(f"{' '.join(argv)} {kill or ''} -> {ended.code}")
        if CANARY in ended.out or CANARY in ended.err:
            self.faults.append("H9 the key was printed")
        return ended

    def run(self, kill: Kill | None = None) -> Ended:
        """``pipeline run``, then the checker."""
        ended = self.command("run", "crash.yaml", "--json", kill=kill)
        self.check(clean=not ended.killed and ended.code in {0, 14}, complete=ended.code == 0)
        if not ended.killed and ended.code not in {0, 14}:
            self.faults.append(f"a run ended with {ended.code}: {ended.err.strip()[-300:]}")
        return ended

    def check(self, *, clean: bool = False, complete: bool = False) -> History:
        history = self.history()
        expected = Expected(
            wanted=WANTED,
            rebuys=self.rebuys,
            clean=clean,
            complete=complete,
            most_unknown=self.kills * self.at_once + self.waiting,
        )
        found = list(faults(history, expected))
        self.faults += [f"{fault} [after: {self.lines[-1] if self.lines else ''}]" for fault in found]
        if self.witness.highest > self.at_once:
            self.faults.append(
                f"H10 {self.witness.highest} requests were in flight at once, {self.at_once} are allowed"
            )
        return history

    def finish(self, *, kill: Kill | None = None) -> None:
        """Runs to the end as people do: run, say truly what became of what is unknown, run again; then verify."""
        ended = self.run()
        if ended.code == 14:
            self.reconcile(kill=kill)
            ended = self.run()
        if ended.code:
            self.faults.append(f"the story ends with {ended.code}: {ended.err.strip()[-300:]}")
        verified = self.command("verify")
        if verified.code:
            self.faults.append(f"verify says {verified.code}: {verified.out.strip()[-500:]}")

    def reconcile(self, *, kill: Kill | None = None) -> None:
        """Says of every unknown attempt whether it was billed, as the witness knows; all of them are to be bought."""
        history = self.history()
        owed = Counter(sale.prompt for sale in history.sales)
        for attempt in history.attempts:
            if attempt.outcome == "done" or (attempt.outcome == "failed" and attempt.usd):
                owed[attempt.prompt] -= 1
        held = [attempt for attempt in history.attempts if attempt.outcome in {"sent", "unknown"}]
        self.unknown += len(held)
        decided: dict[str, list[str]] = {}
        for attempt in held:
            word = "--rebuy" if owed[attempt.prompt] > 0 else "--not-billed"
            owed[attempt.prompt] -= 1
            decided.setdefault(word, []).append(attempt.asset)
            if word == "--rebuy":
                self.rebuys[attempt.prompt] += 3 if attempt.prompt == "pack" else 1
        for word, names in decided.items():
            argv = ("reconcile", "crash.yaml", *names, word)
            if kill and self.command(*argv, kill=kill).killed:
                self.check()
            ended = self.command(*argv)
            if ended.code:
                self.faults.append(f"reconcile ended with {ended.code}: {ended.err.strip()[-300:]}")
        self.check()

    def lose_ledger(self) -> None:
        """The ledger is deleted: nothing is sent before it is made anew, and nothing is bought again after."""
        before = len(self.witness.sales())
        for path in (self.output / ".pipeline").glob("ledger.db*"):
            path.unlink()
        refused = self.command("run", "crash.yaml", "--json")
        if before and (refused.code != 1 or "--rebuild" not in refused.err or len(self.witness.sales()) != before):
            self.faults.append(f"a run beside a lost ledger ended with {refused.code}: {refused.err.strip()[-300:]}")
        rebuilt = self.command("verify", "--rebuild")
        if rebuilt.code and before:
            self.faults.append(f"verify --rebuild ended with {rebuilt.code}: {rebuilt.out} {rebuilt.err}")
        self.check()

    def _strike(self, running: Running, kill: Kill) -> None:
        until = time.monotonic() + 60
        while len(self.witness.sales()) < kill.sold and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(kill.after)
        running.kill()

    def _settle_lines(self) -> None:
        """Waits until the witness has seen the end of every line: a moment after the client is gone."""
        until = time.monotonic() + 2
        while self.witness.open_lines and time.monotonic() < until:
            time.sleep(0.002)


def money(history: History) -> tuple[int, int, int]:
    """Bill, spent and unknown, in micro-USD."""
    bill = sum(sale.count for sale in history.sales) * PRICE
    spent = sum(attempt.usd for attempt in history.attempts if attempt.outcome not in {"sent", "unknown"})
    return bill, spent, sum(attempt.usd for attempt in history.attempts if attempt.outcome in {"sent", "unknown"})


def random_kills(luck: random.Random, count: int, longest: float) -> Iterator[Kill]:
    """Moments spread over a run; most runs die while answers come."""
    for _ in range(count):
        yield Kill(after=0.02 + luck.random() * longest)
