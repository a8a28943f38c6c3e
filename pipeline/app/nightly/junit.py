"""JUnit XML, one case an asset, as CI systems read it."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from xml.etree import ElementTree as ET

from pipeline.app.report import RunReport, why_missing
from pipeline.domain.money import to_usd
from pipeline.domain.record import AssetRow, State

ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold (section 2.2), and hosts sometimes send."""


def suite(
    report: RunReport, rows: Sequence[AssetRow], accept: frozenset[str], seconds: Mapping[str, float]
) -> ET.Element:
    """One ``testsuite`` for a run. refused and failed are failures, unknown is an error, what was not tried is skipped.

    accept: outcomes that count as skipped, since the run counts them as fine. seconds: how long each asset was
    asked for in this run.
    """
    element = ET.Element("testsuite", name=clean(report.manifest))
    verdicts: Counter[str] = Counter()
    for row in rows:
        verdicts[_case(element, row, accept, seconds.get(row.asset, 0.0))] += 1
    element.attrib |= {
        "tests": str(len(rows)),
        "failures": str(verdicts["failure"]),
        "errors": str(verdicts["error"]),
        "skipped": str(verdicts["skipped"]),
        "time": f"{report.seconds:.3f}",
    }
    properties = ET.Element("properties")
    facts = {"run": report.run_id, "exit": report.exit, "usd.spent": to_usd(report.tally.spent)}
    for name, value in (facts | {"usd.unknown": to_usd(report.tally.unknown)}).items():
        ET.SubElement(properties, "property", name=name, value=str(value))
    element.insert(0, properties)
    return element


def _case(into: ET.Element, row: AssetRow, accept: frozenset[str], seconds: float) -> str:
    """Adds a case and says which verdict it got."""
    group = clean(f"{row.manifest}.{row.shot}")
    case = ET.SubElement(into, "testcase", classname=group, name=clean(row.asset), time=f"{seconds:.3f}")
    verdict = verdict_of(row.state, accept)
    if verdict:
        message = why_missing(row) or row.state.value
        ET.SubElement(case, verdict, type=row.state.value, message=clean(message))
    elif row.path or row.warnings:
        told = ET.SubElement(case, "system-out")
        told.text = clean("\n".join(part for part in (row.path, *row.warnings) if part))
    return verdict


def verdict_of(state: State, accept: frozenset[str]) -> str:
    """``failure``, ``error``, ``skipped``, or empty for an asset that is there."""
    match state:
        case State.DONE:
            return ""
        case State.FAILED | State.REFUSED:
            return "skipped" if state.value in accept else "failure"
        case State.UNKNOWN:
            return "skipped" if state.value in accept else "error"
        case _:
            return "skipped"


def suites_text(suites: Iterable[ET.Element]) -> str:
    """The whole file, with the sums readers look for."""
    top = ET.Element("testsuites", name="pipeline")
    top.extend(suites)
    for name in ("tests", "failures", "errors", "skipped"):
        top.set(name, str(sum(int(element.get(name, "0")) for element in top)))
    top.set("time", f"{sum(float(element.get('time', '0')) for element in top):.3f}")
    ET.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(top, encoding="unicode") + "\n"


def clean(text: str) -> str:
    """Text without what XML cannot hold."""
    return ILLEGAL.sub("\ufffd", text)
