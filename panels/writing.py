"""Writing to widgets only what changed: a widget that is written each frame costs time and fights with the person."""

from __future__ import annotations

from collections.abc import Callable

import dearpygui.dearpygui as dpg

from panels.style import Rgba, Tag


def write(item: Tag, text: str, colour: Rgba) -> None:
    """Write a text and its colour only where they changed."""
    write_value(item, text)
    if dpg.get_item_user_data(item) != colour:
        dpg.configure_item(item, color=colour, user_data=colour)


def write_value(item: Tag, value: str | int | bool) -> None:
    """Write a widget's value only if it is another one. A widget that a person holds is left alone."""
    # A text is never held, and has no such state.
    if dpg.get_value(item) != value and not dpg.get_item_state(item).get("active", False):
        dpg.set_value(item, value)


def reveal(item: Tag, on: bool) -> None:
    """Show or hide an item only if it is not so already."""
    if bool(dpg.get_item_configuration(item)["show"]) != on:
        dpg.configure_item(item, show=on)


def to_rgba(colour: tuple[float, float, float]) -> Rgba:
    """An overlay's colour, RGB in [0, 1], as widgets take it."""
    r, g, b = (round(255 * value) for value in colour)
    return r, g, b, 255


def fitted(text: str, room: int, width_of: Callable[[str], int]) -> str:
    """The text, or as much of its beginning as fits with an ellipsis.

    Args:
        text: To be shortened.
        room: How much space there is. [px]
        width_of: Width of a text. [px]
    """
    if width_of(text) <= room:
        return text
    kept = len(text)
    while kept and width_of(f"{text[:kept]}…") > room:
        kept -= 1
    return f"{text[:kept]}…"
