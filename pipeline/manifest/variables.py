"""`${VAR}` and `${VAR:-default}` in provider texts, and where secrets are."""

import re
from collections.abc import Mapping
from pathlib import Path

from pipeline.manifest.model import SecretRef
from pipeline.manifest.places import Loc, Problems
from pipeline.manifest.scalars import Scalar, Tree, resolve

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_UNREADABLE = re.compile(r"\$\{[^}]*\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def expand_providers(data: Tree, environ: Mapping[str, str], only: str | None, problems: Problems) -> Tree:
    """The tree with the variables of its providers replaced; an unset one is an error at its place.

    only: the provider that everything runs on, if one is set: the others then need no variables.
    """
    providers = data.get("providers") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(providers, dict):
        return data
    made: dict[str, Tree] = {}
    for name, said in providers.items():
        needed = only is None or name == only
        made[name] = _expanded(said, ("providers", name), environ if needed else _all_set(said, environ), problems)
    return {**data, "providers": made}


def _all_set(data: Tree, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with every variable that *data* names, empty where it is unset."""
    if isinstance(data, Scalar):
        return environ
    if isinstance(data, str):
        return {**dict.fromkeys((found[1] for found in _VARIABLE.finditer(data)), ""), **environ}
    values = data.values() if isinstance(data, dict) else data
    return {name: value for entry in values for name, value in _all_set(entry, environ).items()} | dict(environ)


def _expanded(data: Tree, loc: Loc, environ: Mapping[str, str], problems: Problems) -> Tree:
    """The tree with every variable replaced by its value (an empty one counts as unset where there is a default).

    A text that is nothing but a variable is read as YAML reads a plain word, so that a number stays one.
    """
    if isinstance(data, dict):
        return {name: _expanded(value, (*loc, name), environ, problems) for name, value in data.items()}
    if isinstance(data, list):
        return [_expanded(value, (*loc, index), environ, problems) for index, value in enumerate(data)]
    if isinstance(data, Scalar) or "${" not in data or loc[-1] == "api_key":
        return data
    return _replaced(data, loc, environ, problems)


def _replaced(text: str, loc: Loc, environ: Mapping[str, str], problems: Problems) -> Tree:
    unset: list[str] = []

    def value_of(found: re.Match[str]) -> str:
        name, default = found[1], found[2]
        value = environ.get(name)
        if default is not None:
            return value or str(default)
        if value is None:
            unset.append(name)
        return value or ""

    odd = _UNREADABLE.search(_VARIABLE.sub("", text))
    made = _VARIABLE.sub(value_of, text)
    if odd:
        problems.error(loc, f"'{odd[0]}' is not a variable", "write ${NAME} or ${NAME:-default}")
    for name in unset:
        problems.error(loc, f"the variable {name} is not set", f"set it, or write ${{{name}:-default}}")
    if odd or unset:
        problems.broken(loc)
        return ""
    return resolve(made) if _VARIABLE.fullmatch(text) and made else made


def secret(written: str, loc: Loc, folder: Path, problems: Problems) -> SecretRef | None:
    """Where a secret is. What is written is never printed: it might be the secret itself."""
    kind, _, name = written.strip().partition(":")
    name = name.strip()
    if kind == "env" and _NAME.fullmatch(name):
        return SecretRef(kind="env", name=name)
    if kind == "file" and name:
        return SecretRef(kind="file", name=str(folder / name))
    variable = _VARIABLE.fullmatch(written.strip())
    what = loc[-1] if loc[-1] == "api_key" else f"the {loc[-1]}"
    instead = f"write env:{variable[1]}" if variable else "write env:NAME or file:PATH"
    problems.error(loc, f"{what} must not stand in a manifest, only where it is", instead)
    problems.broken(loc)
    return None
