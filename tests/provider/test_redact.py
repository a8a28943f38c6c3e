import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.secret import Secret
from pipeline.wire import plain, redact

KEY = "sk-proj-AbCdEf0123456789_-xyzXYZ"
ODD = "my own very/secret+key=42"

TABLE = [
    ("Incorrect API key provided: sk-abcd*********wxyz. See the docs", "sk-abcd", "wxyz"),
    ("Authorization: Bearer abc.def-ghi", "abc.def-ghi", "Authorization: Bearer abc"),
    (f"header was {KEY}", KEY, "AbCdEf"),
    (f"you sent {KEY[:12]}…", KEY[:12], KEY[:8]),
    (f"ends in {KEY[-9:]}", KEY[-9:], KEY[-9:]),
    ("api_key=abcdef123456&x=1", "abcdef123456", "abcdef123456"),
    ('"x-api-key": "abcdef123456"', "abcdef123456", "abcdef123456"),
    ("AIzaSyA1234567890abcdefghijk is not valid", "AIzaSy", "AIzaSy"),
    ("see https://user:pass@host.example/a/b.png?sig=topsecret#frag now", "topsecret", "pass"),
    ("data:image/png;base64," + "QUJD" * 20, "QUJDQUJD", "base64,"),
    ("blob " + "QUJD" * 60 + " end", "QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD", "QUJDQUJDQUJD"),
    ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln here", "eyJhbGci", "c2ln"),
    ("\x1b]52;c;c2VjcmV0\x07hello \x1b[31mred\x1b[0m", "\x1b", "c2VjcmV0"),
    ("a\u202eb\u2066c\u200bd", "\u202e", "\u200b"),
    ("line\none\r\ntwo\ttabs\x00\x9b31m", "\n", "\x9b"),
]


@pytest.mark.parametrize(("text", "gone", "also_gone"), TABLE)
def test_nothing_that_looks_like_a_secret_or_a_trick_stays(text: str, gone: str, also_gone: str) -> None:
    clean = redact(text, [Secret(KEY)])
    assert gone not in clean
    assert also_gone not in clean


def test_what_is_harmless_stays() -> None:
    text = "The model 'gpt-image-2' takes 1024x1024 (request id: 202611211200abcdef) - see https://host.example/docs/a."
    assert redact(text) == text


def test_the_path_of_a_url_stays_and_its_query_goes() -> None:
    assert redact("get https://a.example/p/q.png?sig=1, then") == "get https://a.example/p/q.png, then"


def test_a_message_is_bounded() -> None:
    assert len(redact("word " * 1_000_000)) == 500
    assert len(plain("x" * 100, 10)) == 10


def test_a_lone_surrogate_can_be_stored_afterwards() -> None:
    redact("broken \ud800 text").encode()


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from([KEY, ODD]))
def test_a_key_never_comes_out_wherever_it_stands(before: str, after: str, key: str) -> None:
    assert key not in redact(before + key + after, [Secret(key)])
    clean = redact(before + key + after, [Secret(key)])
    assert not any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in clean)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="\x1b[]m;0179\x07\\PX^_\x9b\x9dabc", max_size=60))
def test_no_mixture_of_escapes_leaves_a_control_character(text: str) -> None:
    assert not any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in plain(text, 500))


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret(KEY + "\n")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", "%s" % secret, repr({"key": secret})]  # noqa: UP031
    assert not any(KEY in text for text in shown)
    assert secret.reveal() == KEY
    assert secret == Secret(KEY)
    assert secret != Secret("other")
    assert len(secret.fingerprint()) == 8
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_short_key_is_taken_out_where_it_stands_alone_and_spoils_no_word() -> None:
    assert redact("the key k is a token, not test: kk", [Secret("k")]) == "the key [key] is a token, not test: kk"


def test_an_empty_secret_is_none_and_takes_nothing_out() -> None:
    assert not Secret("")
    assert redact("text", [Secret("")]) == "text"
