"""What a picture really is, told from its bytes: format, size, alpha, whole or cut.

``inspect(data)`` walks the structure without decoding and belongs on the hot path. What needs the pixels lives in
``inspect.decode`` (``decode_check``) and ``inspect.alpha`` (``transparency``, ``is_transparent_enough``): those import
Pillow, so whoever needs them imports them when needed.
"""

from pipeline.inspect.bounds import MAX_PIXELS, MAX_SIDE, BrokenPicture
from pipeline.inspect.structure import inspect

__all__ = ["MAX_PIXELS", "MAX_SIDE", "BrokenPicture", "inspect"]
