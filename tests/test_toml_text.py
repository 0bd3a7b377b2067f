"""Texts as TOML writes them."""

from __future__ import annotations

import tomllib

import pytest

from viewer_app.toml_text import quoted

pytestmark = pytest.mark.core

TEXTS = ("plain", "", 'a "word"', "C:\\new\\table", "two\nlines\tand a tab", "\x00\x1f\x7f", "größer", "\U0001f9be")


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_comes_back_as_it_was(text: str) -> None:
    """A text that is written as a value and as a key is read again to the letter."""
    assert tomllib.loads(f"{quoted(text)} = {quoted(text)}") == {text: text}


def test_a_list_of_texts_comes_back_too() -> None:
    """A list holds the same texts in the same order."""
    assert tomllib.loads(f"texts = {quoted(TEXTS)}") == {"texts": list(TEXTS)}
