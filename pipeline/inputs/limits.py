"""How large an input may be when it is read and when it is sent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLimits:
    """read_bytes: of a file as given. The rest is what is sent: below sent_bytes, at most sent_pixels, a mask below
    mask_bytes. The hosts say "under 50 MB" and "under 4 MB" without saying which megabyte: the smaller one is meant.
    """

    read_bytes: int = 256_000_000
    sent_bytes: int = 50_000_000
    sent_pixels: int = 20_000_000
    mask_bytes: int = 4_000_000
