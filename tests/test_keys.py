from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.keys import from_text, to_text


@given(st.binary())
def test_any_key_survives_its_text_form_and_json(key: bytes) -> None:
    text = json.loads(json.dumps(to_text(key)))
    assert from_text(text) == key
    text.encode()  # valid Unicode: no lone surrogates


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (b"a/b.jpg", "a/b.jpg"),
        ("Fu\u00dfg\u00e4nger.png".encode(), "Fu\u00dfg\u00e4nger.png"),
        (b"100%.jpg", "100%25.jpg"),
        (b"caf\xe9.jpg", "caf%E9.jpg"),
        (b"two\nlines", "two\nlines"),
    ],
)
def test_keys_are_written_as_utf8_with_odd_bytes_and_percent_escaped(key: bytes, text: str) -> None:
    assert to_text(key) == text
