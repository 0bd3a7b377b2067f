"""What a test sees of the widgets in a window, and how it uses one without a mouse."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import dearpygui.dearpygui as dpg

from panels.style import Metrics, Tag, apply_theme, load_font

METRICS = Metrics(1.0)
_PATIENCE = 20.0
"""[s]"""


def open_window() -> None:
    """An empty window as large as any that a test needs, with Whiskers' looks."""
    dpg.create_context()
    dpg.configure_app(manual_callback_management=True)
    dpg.create_viewport(title="Widgets", width=1920, height=1080, x_pos=0, y_pos=0, decorated=False)
    dpg.setup_dearpygui()
    dpg.show_viewport()
    font = load_font(METRICS)
    assert font is not None
    dpg.bind_font(font)
    apply_theme(METRICS)


def render(frames: int = 4) -> None:
    for _ in range(frames):
        dpg.run_callbacks(dpg.get_callback_queue())
        dpg.render_dearpygui_frame()


def wait_for(what: Callable[[], bool]) -> bool:
    """Draw until something is so. Returns whether it came to be."""
    begin = time.monotonic()
    while not what() and time.monotonic() - begin < _PATIENCE:
        render(1)
    return what()


def kind_of(item: Tag) -> str:
    """Such as `Button`."""
    return str(dpg.get_item_type(item).removeprefix("mvAppItemType::mv"))


def name_of(item: Tag) -> str:
    """Kind, number and words of an item."""
    kind = kind_of(item)
    said = dpg.get_item_label(item) if kind == "Button" else "" if kind == "Drawlist" else dpg.get_value(item)
    return f"{kind} {item} {said}"


def visible(item: Tag) -> bool:
    """Whether an item is drawn, and knows where."""
    state = dpg.get_item_state(item)
    return bool(state.get("visible", False)) and "rect_min" in state and bool(dpg.is_item_shown(item))


def box(item: Tag) -> list[int]:
    """Left, top, right, bottom in the window. [px]"""
    (left, top), (width, height) = dpg.get_item_rect_min(item), dpg.get_item_rect_size(item)
    return [round(left), round(top), round(left + width), round(top + height)]


def inside(parent: Tag) -> Iterator[Tag]:
    """All items of a window that show something, at any depth, those scrolled away too."""
    for item in dpg.get_item_children(parent, 1):
        kind = kind_of(item)
        if not dpg.is_item_shown(item) or kind == "Tooltip" or (kind == "Text" and not dpg.get_value(item)):
            continue
        if kind in ("ChildWindow", "Group"):
            yield from inside(item)
        else:
            yield item


def within(parent: Tag) -> Iterator[Tag]:
    """All visible items in another, at any depth, groups and what is drawn too."""
    for children in dpg.get_item_children(parent).values():
        for item in children:
            if dpg.is_item_shown(item) and kind_of(item) != "Tooltip":
                if visible(item):
                    yield item
                yield from within(item)


def button(window: Tag, label: str) -> Tag:
    return next(item for item in inside(window) if dpg.get_item_label(item) == label)


def use(label: str = "", kind: str = "", value: object = None) -> None:
    """Do what using a widget does, given its label or its kind, and what it is set to."""
    item = next(
        item
        for item in dpg.get_all_items()
        if (dpg.get_item_label(item) == label if label else kind_of(item) == kind)
        and dpg.get_item_callback(item) is not None
    )
    callback = dpg.get_item_callback(item)
    given = (item, value, dpg.get_item_user_data(item))
    callback(*given[: callback.__code__.co_argcount - hasattr(callback, "__self__")])
