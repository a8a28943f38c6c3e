"""The files a run leaves for others: JUnit and a summary page, over all manifests of one command."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from pipeline.app.nightly.junit import suite, suites_text
from pipeline.app.nightly.page import broken_section, section
from pipeline.app.report import RunReport
from pipeline.domain.errors import MachineError
from pipeline.domain.event import AssetSettled, AttemptEnded, Event, RunStarted
from pipeline.domain.record import AssetRow


@dataclass(slots=True, kw_only=True)
class Delivery:
    """Collects one part for each manifest and writes the files anew after each, so that a kill leaves what was known.

    junit, page: where they are written; None: not wanted. Listens to the run, to know which assets it was about (with
    ``--only`` not all that the ledger has) and how long each was asked for.
    """

    junit: Path | None = None
    page: Path | None = None
    _suites: list[ET.Element] = field(default_factory=list)
    _sections: list[str] = field(default_factory=list)
    _seconds: dict[str, float] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return self.junit is not None or self.page is not None

    def __call__(self, event: Event) -> None:
        """Notes which assets a run is about; nothing where no file is wanted: there may be a million of them."""
        if not self:
            return
        match event:
            case RunStarted():
                self._seen.clear()
                self._seconds.clear()
            case AssetSettled():
                self._seen.add(event.asset)
            case AttemptEnded():
                for asset in event.assets:
                    self._seconds[asset] = self._seconds.get(asset, 0.0) + event.seconds
            case _:
                pass

    def add(self, report: RunReport, rows: Iterable[AssetRow], accept: frozenset[str]) -> None:
        """Takes the assets of one run. Blocks. Raises MachineError for a file that cannot be written."""
        found = [row for row in rows if row.asset in self._seen]
        if self.junit is not None:
            self._suites.append(suite(report, found, accept, self._seconds))
        if self.page is not None:
            self._sections.append(section(report, found, self.page))
        self._write()

    def add_broken(self, manifest: str, fault: str) -> None:
        """A manifest that could not be run at all. Blocks. Raises MachineError."""
        if self.junit is not None:
            element = ET.Element("testsuite", name=manifest, tests="1", failures="0", errors="1", skipped="0")
            case = ET.SubElement(element, "testcase", classname=manifest, name="the manifest runs", time="0")
            ET.SubElement(case, "error", type="error", message=fault)
            self._suites.append(element)
        if self.page is not None:
            self._sections.append(broken_section(manifest, fault))
        self._write()

    def _write(self) -> None:
        if self.junit is not None:
            _write(self.junit, suites_text(self._suites))
        if self.page is not None:
            _write(self.page, "\n".join(self._sections))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise MachineError(f"{path}: cannot be written: {error.strerror} (choose another file)") from error
