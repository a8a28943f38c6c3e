"""Answers spoiled on purpose: a whole images JSON in, a wrong one out; and orders drawn otherwise than asked."""

import base64
import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal

from pipeline.domain.digest import Json
from pipeline.gateway.order import Order

Answer = dict[str, Json]


def _items(answer: Answer, change: Callable[[dict[str, Json]], dict[str, Json]]) -> Answer:
    data = answer.get("data")
    items = data if isinstance(data, list) else []
    return {**answer, "data": [change(item) for item in items if isinstance(item, dict)]}


def _base64(answer: Answer, change: Callable[[str], str]) -> Answer:
    return _items(answer, lambda item: {**item, "b64_json": change(str(item.get("b64_json") or ""))})


def error_with_200(_answer: Answer) -> Json:
    """The error object of an overloaded server, under status 200."""
    return {"error": {"message": "The server is overloaded.", "type": "server_error", "param": None, "code": None}}


def empty_data(answer: Answer) -> Json:
    """``data: []``."""
    return {**answer, "data": []}


def null_data(answer: Answer) -> Json:
    """``data: null``."""
    return {**answer, "data": None}


def empty_fields(answer: Answer) -> Json:
    """Items whose every field is the empty string."""
    return _items(answer, lambda _: {"url": "", "b64_json": "", "revised_prompt": ""})


def null_fields(answer: Answer) -> Json:
    """Items whose every field is null."""
    return _items(answer, lambda _: {"url": None, "b64_json": None, "revised_prompt": None})


def blanks_beside(answer: Answer) -> Json:
    """Good items with the other fields there as empty strings."""
    return _items(answer, lambda item: {"url": "", "revised_prompt": "", **item})


def no_created(answer: Answer) -> Json:
    """Without ``created``."""
    return {name: value for name, value in answer.items() if name != "created"}


def data_url(answer: Answer) -> Json:
    """base64 with a ``data:`` prefix."""
    return _base64(answer, lambda text: f"data:image/png;base64,{text}")


def urlsafe(answer: Answer) -> Json:
    """base64 of the URL alphabet."""
    return _base64(answer, lambda text: text.replace("+", "-").replace("/", "_"))


def unpadded(answer: Answer) -> Json:
    """base64 without its padding."""
    return _base64(answer, lambda text: text.rstrip("="))


def wrapped(answer: Answer) -> Json:
    """base64 in lines of 76 characters."""
    return _base64(answer, lambda text: "\n".join(text[at : at + 76] for at in range(0, len(text), 76)))


def broken_base64(answer: Answer) -> Json:
    """base64 with characters that are none."""
    return _base64(answer, lambda text: f"{text[: len(text) // 2]}!*!{text[len(text) // 2 + 3 :]}")


def broken_picture(answer: Answer) -> Json:
    """Whole base64 of half a picture."""

    def half(text: str) -> str:
        data = base64.b64decode(text)
        return base64.b64encode(data[: len(data) // 2]).decode()

    return _base64(answer, half)


def fewer(order: Order) -> Order:
    """One picture less than asked, at least one."""
    return dataclasses.replace(order, n=max(1, order.n - 1))


def more(order: Order) -> Order:
    """One picture more than asked."""
    return dataclasses.replace(order, n=order.n + 1)


def wrong_size(order: Order) -> Order:
    """Half as wide and half as high, at least one pixel."""
    return dataclasses.replace(order, width=max(1, order.width // 2), height=max(1, order.height // 2))


_OTHER: Mapping[str, str] = {"png": "jpeg", "jpeg": "png", "webp": "png"}


def wrong_format(order: Order) -> Order:
    """Another format than asked, without its transparency where it cannot have it."""
    other = _OTHER.get(order.output_format, "png")
    background: Literal["transparent", "opaque"] = "opaque" if other == "jpeg" else order.background
    return dataclasses.replace(order, output_format=other, background=background)


def opaque(order: Order) -> Order:
    """Without the transparency that was asked for."""
    return dataclasses.replace(order, background="opaque")
