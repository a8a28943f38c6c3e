import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.digest import Json
from pipeline.domain.errors import (
    OutcomeUnknown,
    ProviderError,
)
from pipeline.domain.request import Head
from pipeline.domain.secret import Secret
from pipeline.wire import GENUINE, error_of
from tests.provider.error_table import CLOUDFLARE, PAGE, TABLE, maker


def told(status: int, body: bytes | dict[str, Json], headers: dict[str, str] | None = None) -> ProviderError:
    raw = body if isinstance(body, bytes) else json.dumps({"error": body}).encode()
    return error_of(Head(status=status, headers=headers or {}, seconds=1.0), raw, 1.5)


@pytest.mark.parametrize(("name", "status", "body", "error"), TABLE, ids=[row[0] for row in TABLE])
def test_every_answer_without_a_picture_is_told_by_the_one_table(
    name: str, status: int, body: bytes | dict[str, Json], error: type[ProviderError]
) -> None:
    found = told(status, body)
    assert type(found) is error, str(found)
    assert found.answered.status == status
    assert found.answered.seconds == 1.5
    assert "\n" not in str(found)


@pytest.mark.parametrize("kind", GENUINE, ids=lambda kind: kind.__name__)
def test_what_is_said_of_an_error_is_read_as_that_error(kind: type[ProviderError]) -> None:
    genuine = GENUINE[kind]
    body = json.dumps(genuine.as_json()).encode()
    assert type(told(genuine.status, body)) is kind
    assert set(genuine.as_json()["error"]) == {"message", "type", "param", "code"}


def test_a_refusal_carries_stage_and_categories() -> None:
    error = maker("no", "moderation_blocked")
    error["moderation_details"] = {"moderation_stage": "output", "categories": ["sexual", "violence"]}
    answered = told(400, error).answered
    assert (answered.stage, answered.categories) == ("output", ("sexual", "violence"))


def test_categories_are_found_in_the_message_too() -> None:
    answered = told(400, maker("rejected by the safety system. safety_violations=[sexual, self-harm].")).answered
    assert answered.categories == ("sexual", "self-harm")


def test_a_refusal_by_openrouter_names_its_reasons() -> None:
    error: dict[str, Json] = {"message": "your input was flagged", "code": 403, "metadata": {"reasons": ["violence"]}}
    answered = told(403, error).answered
    assert (answered.stage, answered.categories) == ("input", ("violence",))


@pytest.mark.parametrize(
    ("headers", "message", "found"),
    [
        ({"x-request-id": "req_1"}, "", "req_1"),
        ({"x-oneapi-request-id": "2026112112"}, "", "2026112112"),
        ({}, "bad (request id: 20261121abcdef)", "20261121abcdef"),
        ({}, "include the request ID req_0f9e8d in your message.", "req_0f9e8d"),
        ({"x-request-id": "\x1b[31mred"}, "", "red"),
        ({}, "no id here", ""),
    ],
)
def test_the_request_id_is_found_wherever_hosts_put_it(headers: dict[str, str], message: str, found: str) -> None:
    assert told(400, maker(message or "x"), headers).answered.request_id == found


def test_a_redirect_names_where_the_base_url_should_lead() -> None:
    error = told(302, b"", {"location": "https://user:secret@www.host.example/v1/images/generations?token=abcdefgh"})
    assert "https://www.host.example/v1/images/generations" in str(error)
    assert "base_url" in str(error)
    assert "secret" not in str(error)
    assert "abcdefgh" not in str(error)


def test_a_redirect_without_a_place_to_go_says_so() -> None:
    assert "redirects to elsewhere" in str(told(307, b"", {"location": "?token=abcdefgh"}))


def test_problem_json_is_told_without_its_link() -> None:
    assert str(told(524, CLOUDFLARE)) == "HTTP 524: The origin was slow."


def test_a_refused_parameter_is_named_with_what_to_do() -> None:
    error = told(400, maker("Unknown parameter: 'response_format'.", "unknown_parameter", param="response_format"))
    assert error.answered.param == "response_format"
    assert "`response_format`" in str(error)
    assert "catalogue" in str(error)


def test_a_page_is_told_by_its_title() -> None:
    assert "502 Bad Gateway" in str(told(502, PAGE))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(100, 599),
    st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["error", "message", "code", "type", "param", "metadata", "raw", "moderation_details"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_no_body_whatever_breaks_the_telling(status: int, body: bytes) -> None:
    error = error_of(Head(status=status, headers={}, seconds=0.0), body, 0.0, secrets=[Secret("k" * 20)])
    assert isinstance(error, ProviderError)
    assert len(str(error)) < 1200


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"error":' * 50_000, b'{"error":{"code":' + b"9" * 5000 + b"}}"])
def test_nesting_and_numbers_without_end_are_borne(body: bytes) -> None:
    assert isinstance(told(500, body), OutcomeUnknown)
