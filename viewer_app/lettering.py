"""Words as pixels, for pictures and videos. Knows no scene and no window."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from viewer_app.types import ImageArray


def font_file() -> Path:
    """DejaVu Sans, which matplotlib ships and whose licence lets it be passed on. Matplotlib is not imported."""
    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.submodule_search_locations is not None  # matplotlib is a dependency
    return Path(spec.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"


@lru_cache(maxsize=256)
def text_mask(text: str, size: int) -> ImageArray:
    """Coverage of one line of text, 0 to 255. Shape (height, width), dtype uint8.

    Args:
        text: One line.
        size: Font size. [px]
    """
    font = ImageFont.truetype(str(font_file()), size)
    left, _, right, _ = font.getbbox(text)
    ascent, descent = font.getmetrics()
    canvas = Image.new("L", (int(right - left) + 2, ascent + descent))
    ImageDraw.Draw(canvas).text((1 - left, 0), text, fill=255, font=font)
    mask = np.asarray(canvas, np.uint8)
    mask.setflags(write=False)
    return mask
