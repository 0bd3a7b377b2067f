"""Ctrl+O: the path of a checkpoint or of a recording, typed or picked."""

from __future__ import annotations

from pathlib import Path

import dearpygui.dearpygui as dpg

from panels.actions import OpenPath, Send
from panels.style import ACCENT, DIM, Metrics, Tag

_SHOWN = 12


def folders_in(folder: Path) -> list[str]:
    """Names of the folders to choose from, sorted; empty where they cannot be read."""
    try:
        return sorted(each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    except OSError:
        return []


def what_is(folder: Path) -> str:
    """What a folder looks like from outside, in a word; empty for a plain folder."""
    if (folder / "recording.json").is_file():
        return "recording"
    if (folder / "config.json").is_file():
        return "checkpoint"
    return ""


class OpenDialog:
    """A card with a field, the folders beside it, and the button."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._folder = Path.cwd()

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
            dpg.add_text("A checkpoint's folder, a hub id, demo:act, or a recording's folder", color=DIM, wrap=0)
            self._field = dpg.add_input_text(width=-1, on_enter=True, callback=lambda: self._open())
            self._list = dpg.add_listbox([], num_items=_SHOWN, width=-1, callback=self._enter)
            with dpg.group(horizontal=True):
                dpg.add_button(label="Open", callback=lambda: self._open())
                dpg.add_button(label="Folder above", callback=lambda: self._go(self._folder.parent))
                dpg.add_button(label="Cancel", callback=lambda: self.close())
                self._kind = dpg.add_text("", color=DIM)

    def open(self, width: int, height: int, metrics: Metrics) -> None:
        """Open over a window of this size."""
        px = metrics.px
        card, tall = min(px(620), width - px(40)), px(12 + 20 + 20 + 26 + 40) + _SHOWN * px(21)
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
        dpg.set_value(self._field, str(self._folder))
        dpg.set_value(self._kind, what_is(self._folder))

    def _enter(self, _sender: Tag, label: str) -> None:
        self._go(self._folder / label.split("   (")[0])

    def _open(self) -> None:
        path = str(dpg.get_value(self._field)).strip()
        if path:
            self.close()
            self._send(OpenPath(path))
