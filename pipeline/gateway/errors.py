"""The one error the gateway answers with; rendered in the maker's shape by `answers`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.domain.digest import Json

INVALID = "invalid_request_error"
IMAGE_USER = "image_generation_user_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What an error answer says. status: HTTP status. details: extra keys of the error object."""

    status: int
    message: str
    type: str = INVALID
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Json] = field(default_factory=dict)


class ApiError(Exception):
    """A request that gets an error answer."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


def bad(message: str, *, param: str | None = None, code: str | None = None, kind: str = INVALID) -> ApiError:
    """A genuine 400."""
    return ApiError(Trouble(status=400, message=message, type=kind, code=code, param=param))
