"""The look that all figures share: sizes, line styles, and colours that colour-blind readers tell apart.

Colours are those of Okabe and Ito, "Color Universal Design" (2008).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from viewer_app.figures.subject import Subject

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, ORANGE, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#8C8C8C"
ACTUAL, COMMANDED, PREDICTED = BLUE, VERMILLION, GREEN
"""Of the three kinds of joint curves: solid, dotted, dashed."""

WIDTH = 7.2
"""Of every figure: two columns of a journal's page. [in]"""

SETTINGS: dict[Any, Any] = {
    "font.size": 8,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "lines.solid_capstyle": "round",
    "pdf.fonttype": 42,  # letters stay letters, which journals ask for
    "svg.fonttype": "path",  # looks the same where the font is not installed
    "svg.hashsalt": "whiskers",  # the same figure is the same file
    "savefig.dpi": 300,
}
"""For `matplotlib.rc_context`."""

_TITLE_LETTERS = 108
"""That fit in one line of a title."""


def head(figure: Figure, title: str, subject: Subject, note: str = "") -> None:
    """Write what the figure shows above it: a title, what it is about, and a note."""
    lines = [line for text in (subject.about(), note) if text for line in textwrap.wrap(text, _TITLE_LETTERS)]
    figure.suptitle("\n".join((title, *lines)), fontsize=8.5, linespacing=1.35)


def legend(figure: Figure, entries: Sequence[tuple[Artist, str]], columns: int = 3) -> None:
    """One legend for all axes, below them."""
    figure.legend(
        [artist for artist, _ in entries],
        [words for _, words in entries],
        loc="outside lower center",
        ncols=min(columns, len(entries)),
    )


def grid(axes: Axes) -> None:
    """Faint horizontal lines."""
    axes.grid(axis="y", linewidth=0.4, color="#e6e6e6")


def shortened(name: str, letters: int = 22) -> str:
    """A name that fits above a small plot: its end is what tells joints apart."""
    return name if len(name) <= letters else "…" + name[1 - letters :]
