"""Parameters of a request: merged layer by layer, and held to the catalogue at the line each one comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.domain.capability import Finding
from pipeline.domain.digest import Json
from pipeline.manifest.model import ModelSpec
from pipeline.manifest.overrides import Override
from pipeline.manifest.places import Loc, Problems, at, entries
from pipeline.manifest.providers import Models
from pipeline.manifest.scalars import as_plain_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Parameters as one mapping of the manifest says them; later layers win, key by key. loc: of the mapping."""

    params: Mapping[str, Json]
    loc: Loc


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the catalogue is asked about. loc: of the shot or edit; model_loc: where its model is chosen.

    images: how many pictures go along at least.
    """

    spec: ModelSpec
    layers: Sequence[Layer]
    images: int
    mask: bool
    loc: Loc
    model_loc: Loc


def merged(layers: Sequence[Layer]) -> dict[str, Json]:
    """All parameters; null removes one."""
    params: dict[str, Json] = {}
    for layer in layers:
        params |= layer.params
    return {name: value for name, value in params.items() if value is not None}


def set_layer(loc: Loc, overrides: Sequence[Override], problems: Problems) -> Layer:
    """What `--set` says for the parameters at *loc*: it wins over every other layer."""
    names: dict[str, None] = {}
    for override in overrides:
        if override.loc[: len(loc)] == loc and len(override.loc) > len(loc):
            names[str(override.loc[len(loc)])] = None
        elif override.loc == loc[: len(override.loc)]:
            names.update(dict.fromkeys(entries(at(problems.document.data, loc))))
    params: dict[str, Json] = {}
    for name in names:
        try:
            params[name] = as_plain_json(at(problems.document.data, (*loc, name)))
        except ValueError:
            continue  # reported by the schema, which sees the same value
    return Layer(params=params, loc=loc)


def check_parameters(request: Request, models: Models) -> None:
    """Reports what the catalogue says: errors at the parameter's own line, the rest as warnings."""
    provider = models.providers[request.spec.provider]
    profile = replace(provider.profile, protocol=request.spec.protocol)
    params = merged(request.layers)
    _hint_at_templates(request, models.problems)
    for finding in models.catalogue.check(
        profile, request.spec.model, params, images=request.images, mask=request.mask
    ):
        _report(finding, _origin(finding.param, request, models.problems), models.problems)


def _origin(param: str, request: Request, problems: Problems) -> Loc:
    """Where the parameter (or what else the finding is about) is said."""
    for layer in reversed(request.layers):
        if param in layer.params:
            return (*layer.loc, param)
    if param in {"images", "mask"}:
        said = (*request.loc, param)
        return said if at(problems.document.data, said) is not None else ("defaults", param)
    named = ("models", request.spec.alias, "model")
    return named if at(problems.document.data, named) is not None else request.model_loc


def _report(finding: Finding, loc: Loc, problems: Problems) -> None:
    if finding.severity == "error":
        problems.error(loc, finding.what, finding.instead)
    else:
        hint = "hint: " if finding.severity == "hint" else ""
        problems.warn(loc, hint + finding.what, finding.instead)


def _hint_at_templates(request: Request, problems: Problems) -> None:
    for layer in request.layers:
        for name, value in layer.params.items():
            if isinstance(value, str) and "{{" in value:
                problems.warn(
                    (*layer.loc, name), "hint: parameters are sent as they are, not filled in", "write it out"
                )
