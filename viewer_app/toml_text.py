"""Texts as TOML writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence


def quoted(value: str | Sequence[str]) -> str:
    """A text, or a list of them."""
    # JSON's is TOML's too, but for what lies beyond 16 bits where JSON escapes it, and for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
