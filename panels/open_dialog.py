"""Ctrl+O: the path of a checkpoint or of a recording, typed or picked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import dearpygui.dearpygui as dpg

from panels.actions import OpenPath, Send
from panels.style import ACCENT, DIM, Metrics, Tag, hint, text_width
from panels.writing import reveal

_SHOWN = 12
_RECENT_SHOWN = 5


def folders_in(folder: Path) -> list[str]:
    """Names of the folders and zip files to choose from, sorted; empty where they cannot be read."""
    try:
        found = [each for each in folder.iterdir() if each.is_dir() or each.suffix.lower() == ".zip"]
    except OSError:
        return []
    return sorted(each.name for each in found if not each.name.startswith("."))


def what_is(folder: Path) -> str:
    """What a folder looks like from outside, in a word; empty for a plain folder."""
    if (folder / "recording.json").is_file():
        return "recording"
    if folder.suffix.lower() == ".zip" and folder.is_file():
        return "zip file"
    if (folder / "config.json").is_file():
        return "checkpoint"
    return ""


def shortened(source: str, room: int, width_of: Callable[[str], int]) -> str:
    """A path, or as much of its end as fits: its last folders tell recordings apart.

    Args:
        source: A path, a hub id or a `demo:` name.
        room: How much space there is. [px]
        width_of: Width of a text. [px]
    """
    text, parts = source, Path(source).parts[1:]
    while width_of(text) > room and len(parts) > 1:
        parts = parts[1:]
        text = str(Path("…", *parts))
    return text


class OpenDialog:
    """A card with a field, what was opened last, the folders below it, and the button."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._folder = Path.cwd()
        self._recent_of: dict[str, str] = {}

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        return (self._field,)

    @property
    def shown(self) -> bool:
        return bool(dpg.is_item_shown(self.window))

    def build(self) -> None:
        """Make the widgets, hidden."""
        with dpg.window(show=False, no_title_bar=True, no_resize=True, no_move=True) as self.window:
            dpg.add_text("Open a checkpoint or a recording", color=ACCENT)
            words = "A checkpoint's folder, a hub id, demo:act, or a recording's folder or zip file"
            dpg.add_text(words, color=DIM, wrap=0)
            self._field = dpg.add_input_text(width=-1, on_enter=True, callback=lambda: self._open())
            with dpg.group() as self._recent:
                dpg.add_text("Opened last", color=DIM)
                self._recent_list = dpg.add_listbox([], num_items=_RECENT_SHOWN, width=-1, callback=self._take)
                hint("Puts it into the field")
                dpg.add_text("Folders and zip files", color=DIM)
            self._list = dpg.add_listbox([], num_items=_SHOWN, width=-1, callback=self._enter)
            with dpg.group(horizontal=True):
                dpg.add_button(label="Open", callback=lambda: self._open())
                dpg.add_button(label="Folder above", callback=lambda: self._go(self._folder.parent))
                dpg.add_button(label="Cancel", callback=lambda: self.close())
                self._kind = dpg.add_text("", color=DIM)

    def open(self, width: int, height: int, metrics: Metrics, recent: Sequence[str] = ()) -> None:
        """Open over a window of this size.

        Args:
            width: [px]
            height: [px]
            metrics: Of the text.
            recent: What was opened before, newest first.
        """
        px = metrics.px
        rows = min(len(recent), _RECENT_SHOWN)
        card, tall = min(px(620), width - px(40)), px(12 + 20 + 20 + 26 + 40) + _SHOWN * px(21)
        tall += (px(64) + rows * px(21)) * bool(rows)
        labels = [shortened(each, card - px(50), lambda text: text_width(text, metrics)) for each in recent]
        self._recent_of = dict(zip(labels, recent, strict=True))
        reveal(self._recent, bool(rows))
        dpg.configure_item(self._recent_list, items=list(self._recent_of), num_items=max(rows, 1))
        dpg.set_value(self._recent_list, "")  # else the first would look chosen
        place = ((width - card) // 2, max((height - tall) // 3, 0))
        dpg.configure_item(self.window, show=True, width=card, height=tall, pos=place)
        self._go(self._folder)
        dpg.focus_item(self._field)

    def close(self) -> None:
        dpg.configure_item(self.window, show=False)

    def _go(self, folder: Path) -> None:
        self._folder = folder.resolve()
        names = folders_in(self._folder)
        labels = [f"{name}   ({kind})" if (kind := what_is(self._folder / name)) else name for name in names]
        dpg.configure_item(self._list, items=labels)
        self._put(str(self._folder), what_is(self._folder))

    def _enter(self, _sender: Tag, label: str) -> None:
        chosen = self._folder / label.split("   (")[0]
        if chosen.is_dir():
            self._go(chosen)
        else:
            self._put(str(chosen), what_is(chosen))

    def _take(self, _sender: Tag, label: str) -> None:
        source = self._recent_of[label]
        self._put(source, what_is(Path(source)))

    def _put(self, source: str, kind: str) -> None:
        dpg.set_value(self._field, source)
        dpg.set_value(self._kind, kind)

    def _open(self) -> None:
        path = str(dpg.get_value(self._field)).strip()
        if path:
            self.close()
            self._send(OpenPath(path))
