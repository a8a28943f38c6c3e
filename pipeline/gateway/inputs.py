"""Pictures that come with a request: found among the parts, checked and decoded."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.domain.digest import Digest, Json
from pipeline.gateway.errors import IMAGE_USER, ApiError, Trouble, bad
from pipeline.gateway.profiles import Profile
from pipeline.gateway.reading import Fields, Upload, upload_of_url

MOST_INPUTS = 16
_IMAGE_LIMIT = 50 * 2**20
_MASK_LIMIT = 4 * 2**20
_MOST_PIXELS = 80_000_000
_MEDIA_TYPES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/jpg": "JPEG", "image/webp": "WEBP"}
_STRICT_FORMATS = ("PNG", "JPEG", "WEBP")
_MODES = {"RGB", "RGBA", "L", "LA"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A decoded picture, upright, RGB or RGBA. said: its own text (what our sketches note in themselves)."""

    digest: Digest
    filename: str
    media_type: str
    bytes: int
    picture: Image.Image = field(repr=False)
    edits: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.picture.size

    @property
    def has_alpha(self) -> bool:
        """Whether some pixel is not opaque."""
        return self.picture.mode == "RGBA" and self.picture.getchannel("A").getextrema() != (255, 255)


def read_inputs(fields: Fields, profile: Profile) -> tuple[Input, ...]:
    """The input pictures in order. Raises ApiError (400) when there is none, too many or a broken one."""
    uploads = _from_json(fields.values) if not fields.form else _from_form(fields, profile)
    if not uploads:
        raise _no_image(profile)
    if len(uploads) > MOST_INPUTS:
        raise bad(
            f"Invalid 'image': array too long. Expected an array with maximum length {MOST_INPUTS}, "
            f"but got an array with length {len(uploads)} instead.",
            param="image",
            code="array_above_max_length",
        )
    return tuple(decode(upload, f"image[{index}]", profile) for index, upload in enumerate(uploads))


def _no_image(profile: Profile) -> ApiError:
    if profile.name == "newapi":
        return ApiError(
            Trouble(status=500, message="image is required", type="new_api_error", code="convert_request_failed")
        )
    return bad("Missing required parameter: 'image'.", param="image", code="missing_required_parameter")


def _from_form(fields: Fields, profile: Profile) -> tuple[Upload, ...]:
    single = tuple(upload for upload in fields.uploads if upload.name == "image")
    several = tuple(upload for upload in fields.uploads if upload.name == "image[]")
    numbered = tuple(
        upload for upload in fields.uploads if upload.name.startswith("image[") and upload.name != "image[]"
    )
    if profile.strict and (len(single) > 1 or (single and several)):
        raise bad(
            "Duplicate parameter: 'image'. You provided multiple values for this parameter, whereas only one is "
            "allowed. If you are trying to provide a list of values, use the array syntax instead e.g. "
            "'image[]=<value>'.",
            param="image",
        )
    if profile.name == "newapi":  # the first name that has files wins, the others are lost
        return single or several or numbered
    return tuple(upload for upload in fields.uploads if upload.name == "image" or upload.name.startswith("image["))


def _from_json(values: Mapping[str, Json]) -> tuple[Upload, ...]:
    raw = values.get("images", values.get("image"))
    if raw is None:
        return ()
    refs = raw if isinstance(raw, list) else [raw]
    return tuple(_from_ref(ref, f"images[{index}]") for index, ref in enumerate(refs))


def _from_ref(ref: Json, name: str) -> Upload:
    if isinstance(ref, str):
        return upload_of_url(ref, name)
    if isinstance(ref, dict) and len(ref) == 1:
        url = ref.get("image_url")
        if isinstance(url, dict):
            url = url.get("url")
        if isinstance(url, str):
            return upload_of_url(url, name)
        if "file_id" in ref:
            raise bad(f"No such File object: {str(ref['file_id'])[:64]}", param=name, code="invalid_value")
    raise bad("Expected an object with exactly one of 'image_url' or 'file_id'.", param=name, code="invalid_type")


def read_mask(fields: Fields, first: Input, profile: Profile) -> Input | None:
    """The mask, if one came. Raises ApiError (400) when it is no PNG with alpha of the first input's size."""
    upload = next((upload for upload in fields.uploads if upload.name == "mask"), None)
    if upload is None and not fields.form and fields.values.get("mask") is not None:
        upload = _from_ref(fields.values["mask"], "mask")
    if upload is None:
        return None
    if len(upload.data) > _MASK_LIMIT:
        raise bad("Invalid mask: the file must be smaller than 4 MB.", param="mask", code="invalid_image_file")
    mask = decode(upload, "mask", profile)
    if mask.picture.mode != "RGBA":
        raise bad(
            "Invalid mask image format - mask image must have an alpha channel.",
            param="mask",
            code="invalid_image_file",
            kind=IMAGE_USER,
        )
    if mask.size != first.size:
        raise bad(
            f"Invalid mask image size - mask size {_spell(mask.size)} must match image size {_spell(first.size)}.",
            param="mask",
            code="invalid_image_file",
            kind=IMAGE_USER,
        )
    return mask


def _spell(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def decode(upload: Upload, name: str, profile: Profile) -> Input:
    """The picture of a file. Raises ApiError (400) by the dialect's rules."""
    if profile.strict and upload.media_type not in _MEDIA_TYPES:
        raise bad(
            f"Invalid file '{name}': unsupported mimetype ('{upload.media_type}'). Supported file formats are "
            "'image/jpeg', 'image/png', and 'image/webp'.",
            param=name,
            code="unsupported_file_mimetype",
        )
    if len(upload.data) > _IMAGE_LIMIT:
        raise bad(f"Invalid file '{name}': it must be smaller than 50 MB.", param=name, code="invalid_image_file")
    try:
        picture, edits = _load(upload.data, profile)
    except (
        UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError,
        Image.DecompressionBombError, Image.DecompressionBombWarning,
    ) as error:  # fmt: skip
        raise bad(
            f"Invalid image file or mode for image {name}, please check your image file.",
            param=name,
            code="invalid_image_file",
            kind=IMAGE_USER,
        ) from error
    return Input(
        digest=upload.digest,
        filename=upload.filename,
        media_type=upload.media_type,
        bytes=len(upload.data),
        picture=picture,
        edits=edits,
    )


def _load(data: bytes, profile: Profile) -> tuple[Image.Image, int]:
    image = Image.open(io.BytesIO(data), formats=_STRICT_FORMATS if profile.strict else None)
    if image.width * image.height > _MOST_PIXELS:
        raise ValueError("too many pixels")
    if profile.strict and image.mode not in _MODES:
        raise ValueError(f"mode {image.mode}")
    said = str(image.info.get("Edits", "0"))
    image.load()
    upright = ImageOps.exif_transpose(image)
    transparent = "A" in upright.getbands() or "transparency" in upright.info
    return upright.convert("RGBA" if transparent else "RGB"), int(said) if said.isdecimal() else 0
