"""The file of faults: YAML → `Fault`, with line and column in every complaint.

::

    faults:
      - fault: rate_limit        # a name of the list in docs/gateway.md, or a status such as 502
        rate: 10%                # for one request in ten (also: 0.1)
      - fault: drop
        nth: [3, 7]              # for the third and the seventh request that is let in (also: one number)
      - fault: slow_down
        every: 50                # for each fiftieth
      - fault: moderation
        prompt: forbidden        # for every request whose prompt contains this (case does not matter)
      - fault: bad_gateway
        once: true               # for the first try of every picture; a repeat goes through
      - fault: stall
        asset: "hero/*/red/*"    # for requests that say they are for this asset (header x-pipeline-asset, or user)
        times: 2                 # at most twice in all
        after: 0.5s              # the fault comes after that long instead of the usual latency
        billed: false            # whether the pictures count as billed, where the usual answer is not wanted
        retry_after: 7s          # for faults that send one

A bare list is read too. All conditions of an entry must hold; an entry without any strikes every request. The
first entry that strikes counts.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.gateway.fault_table import ALIASES, MISFORTUNES, misfortune_of
from pipeline.gateway.faults import Fault
from pipeline.manifest.places import Document, Loc, Problems, did_you_mean
from pipeline.manifest.scalars import Scalar, Tree
from pipeline.manifest.units import duration, share
from pipeline.manifest.yaml_text import decoded, parse, read_bytes

Read = Callable[[Tree], object]
"""One field's value. Raises ValueError that says what to write instead."""


def load_faults(path: Path) -> tuple[Fault, ...]:
    """The faults of a file, in its order. Blocks. Raises ManifestError with everything that is wrong at once."""
    shown = str(path)
    return parse_faults(decoded(read_bytes(path, shown), shown), shown)


def parse_faults(text: str, shown: str) -> tuple[Fault, ...]:
    """The faults of a YAML text. shown: the file's name in complaints. Raises ManifestError."""
    document, complaints = parse(text, shown)
    problems = Problems(document)
    for place, what, instead in complaints:
        problems.error_at(place, what, instead)
    faults = tuple(_fault(entry, loc, problems) for loc, entry in _entries(document, problems))
    problems.fail_if_any()
    return tuple(fault for fault in faults if fault is not None)


def _entries(document: Document, problems: Problems) -> list[tuple[Loc, Tree]]:
    data, loc = document.data, ()
    if isinstance(data, Scalar) and data.value is None:
        return []
    if isinstance(data, dict):
        for key in data:
            if key != "faults":
                problems.error((key,), f"'{key}' is not known here", "write 'faults:' and a list", key=True)
        return _listed(data.get("faults", []), ("faults",), problems)
    return _listed(data, loc, problems)


def _listed(value: Tree, loc: Loc, problems: Problems) -> list[tuple[Loc, Tree]]:
    if not isinstance(value, list):
        problems.error(loc, "faults are a list", "write '- fault: drop'")
        return []
    return [((*loc, number), entry) for number, entry in enumerate(value)]


def _fault(entry: Tree, loc: Loc, problems: Problems) -> Fault | None:
    if not isinstance(entry, dict):
        problems.error(loc, "a fault is a mapping", "write '- fault: drop'")
        return None
    if "fault" not in entry:
        problems.error(loc, "the entry names no fault", "write 'fault: drop'")
    values: dict[str, object] = {}
    for key, value in entry.items():
        read = _FIELDS.get(key)
        if read is None:
            problems.error(
                (*loc, key), f"'{key}' is not known here", did_you_mean(key, _FIELDS, listed=False), key=True
            )
            continue
        try:
            values[key] = read(value)
        except ValueError as error:
            problems.error((*loc, key), f"{key}: this is not what is wanted", str(error))
    if "fault" not in values:
        return None
    return Fault(**values)  # type: ignore[arg-type]  # each field was read by its own reader


def _text(value: Tree) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Scalar) and value.value is not None:
        return value.text
    raise ValueError("write a text")


def _name(value: Tree) -> str:
    name = _text(value)
    if misfortune_of(name) is None:
        raise ValueError(did_you_mean(name, [*MISFORTUNES, *ALIASES]) or "docs/gateway.md lists the faults")
    return name


def _number(value: Tree) -> int:
    if isinstance(value, Scalar) and type(value.value) is int and value.value >= 1:
        return value.value
    raise ValueError("write a whole number from 1")


def _numbers(value: Tree) -> tuple[int, ...]:
    return tuple(_number(entry) for entry in (value if isinstance(value, list) else [value]))


def _flag(value: Tree) -> bool:
    if isinstance(value, Scalar) and isinstance(value.value, bool):
        return value.value
    raise ValueError("write true or false")


def _share(value: Tree) -> float:
    return share(_text(value))


def _seconds(value: Tree) -> float:
    seconds = duration(_text(value))
    if not math.isfinite(seconds):
        raise ValueError("write it like 0.5s")
    return seconds


_FIELDS: Mapping[str, Read] = {
    "fault": _name,
    "rate": _share,
    "nth": _numbers,
    "every": _number,
    "prompt": _text,
    "asset": _text,
    "once": _flag,
    "times": _number,
    "after": _seconds,
    "billed": _flag,
    "retry_after": _seconds,
}
