"""Files and URLs as digests, and as files that a host accepts.

::

    desk = InputDesk(places.inputs)
    desk.add_fetched(url, data)              # for each input URL, before planning; add_failed(url, why) otherwise
    digest = desk.digest("/photos/cup.jpg")  # ports.Inputs: of the bytes as given; InputFault says what is wrong
    prepared = desk.prepare("/photos/cup.jpg", "image", digest)
    prepared = desk.prepare_picture(image, store.path(image))          # a parent's picture in a chain: no copy
    inputs = desk.match(prepared_images, prepared_mask)                # the mask fits the first image, or InputFault

All of it blocks. Pillow is imported when the first picture is prepared.
"""

from pipeline.inputs.desk import InputDesk
from pipeline.inputs.limits import InputLimits

__all__ = ["InputDesk", "InputLimits"]
