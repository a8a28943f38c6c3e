"""One parameter's value: whether its rule allows it, and the legal value a wrong one most likely means."""

from pipeline.catalogue.data import closest
from pipeline.catalogue.entries import ParamRule
from pipeline.domain.digest import Json


def fault(name: str, value: Json, rule: ParamRule) -> tuple[str, str] | None:
    """What is wrong with the value as such and what to write instead; None when it is legal."""
    if rule.values:
        return _fault_of_choice(name, value, rule)
    if rule.type in {"integer", "number"}:
        return _fault_of_number(name, value, rule)
    if rule.type == "boolean" and not isinstance(value, bool):
        return f"{name} is true or false, not {shown(value)}", ""
    if rule.type == "text" and not isinstance(value, str):
        return f"{name} is a text, not {shown(value)}", f'write "{value}"'
    return None


def _fault_of_choice(name: str, value: Json, rule: ParamRule) -> tuple[str, str] | None:
    if value in rule.values and isinstance(value, str):
        return None
    if str(value) in rule.values:
        return f"{name} is a text, not the number {value}", f'write "{value}"'
    legal = ", ".join(rule.values)
    return f"{name} {shown(value)} is not legal (legal: {legal})", f"use {nearest_value(rule, value)}"


def _fault_of_number(name: str, value: Json, rule: ParamRule) -> tuple[str, str] | None:
    integer = isinstance(value, int) and not isinstance(value, bool)
    if not integer and not (rule.type == "number" and isinstance(value, float)):
        return f"{name} is a number, not {shown(value)}", _as_number(value, rule)
    if rule.range and isinstance(value, int | float) and not rule.range[0] <= value <= rule.range[1]:
        least, most = rule.range
        return f"{name} is {least} to {most}, not {value}", f"use {least if value < least else most}"
    return None


def _as_number(value: Json, rule: ParamRule) -> str:
    try:
        number = round(float(str(value).rstrip("% ")))
    except (ValueError, OverflowError):
        return f"a number from {rule.range[0]} to {rule.range[1]}" if rule.range else "a number without quotes"
    least, most = rule.range or (number, number)
    return f"use {min(most, max(least, number))}"


def nearest_value(rule: ParamRule, value: object) -> str:
    """The legal value a wrong one most likely means."""
    written = str(value)
    folded = {name.casefold(): name for name in rule.values}
    translated = rule.instead.get(written) or rule.instead.get(written.casefold())
    if translated in rule.values:
        return str(translated)
    plain = written.casefold().replace("x", ":").replace("/", ":").replace(" ", "")
    for candidate in (written.casefold().strip(), plain):
        if candidate in folded:
            return folded[candidate]
    default = str(rule.default) if rule.default in rule.values else rule.values[-1]
    return folded.get(closest(written.casefold(), tuple(folded)), default)


def shown(value: Json) -> str:
    """A value as it is quoted in a finding, cut when it is long."""
    written = str(value)
    return written if len(written) <= 40 else f"{written[:37]}..."
