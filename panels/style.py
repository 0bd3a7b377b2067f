"""The look of the window: colours, sizes, the font, and Dear PyGui themes made from them.

A calm dark ground, one accent, and the overlay colours kept for what they mean in the scene.
"""

from __future__ import annotations

import importlib.util
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import dearpygui.dearpygui as dpg

Rgba = tuple[int, int, int, int]
"""Red, green, blue, opacity in 0 .. 255."""
Tag = int | str
"""Dear PyGui's name of an item."""


def rgb(code: str, alpha: int = 255) -> Rgba:
    """A colour from its hexadecimal code `rrggbb`."""
    return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16), alpha


GROUND = rgb("0f1216")
PLOT_GROUND = rgb("11151a")
PANEL = rgb("171b21")
RAISED = rgb("222831")
HOVER = rgb("2c343f")
PRESSED = rgb("374250")
LINE = rgb("2a313b")
TEXT = rgb("dfe4ea")
DIM = rgb("8d98a7")
FAINT = rgb("5b6675")
ACCENT = rgb("5aa9e6")
GOOD = rgb("4cc36a")
WARN = rgb("e8b04a")
BAD = rgb("ef6b62")

ACTUAL = rgb("8fc1ee")
COMMANDED = rgb("f2c14e")
PREDICTED = rgb("52cc66")

PUSHED = rgb("f2619c")
"""A push, on the timeline and where one is dragged; its arrow in the picture has the same colour."""

# Muted, so that marks stand out on them; in the order in which a trace names its phases.
PHASES: tuple[Rgba, ...] = (rgb("3c5a78"), rgb("6a5a2f"), rgb("3f6a4c"), rgb("6a4560"), rgb("4d5560"), rgb("31616a"))


@dataclass(frozen=True)
class Metrics:
    """Sizes at one scale of the text."""

    scale: float

    def px(self, length: float) -> int:
        """A length designed at scale 1, in pixels."""
        return round(length * self.scale)

    @property
    def font(self) -> int:
        """Height of the text. [px]"""
        return self.px(14)

    @property
    def row(self) -> int:
        """Height of a widget's line with its gap. [px]"""
        return self.px(27)


def font_file() -> Path | None:
    """DejaVu Sans as Matplotlib ships it: freely licensed, with all signs used here. None where it is gone."""
    found = importlib.util.find_spec("matplotlib")
    for place in (found.submodule_search_locations or []) if found is not None else []:
        file = Path(place) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.is_file():
            return file
    return None


def load_font(metrics: Metrics) -> Tag | None:
    """The window's font at the metrics' size, None leaves Dear PyGui's own."""
    file = font_file()
    if file is None:
        return None
    registry = dpg.add_font_registry()
    font: Tag = dpg.add_font(str(file), metrics.font, parent=registry)
    return font


def apply_theme(metrics: Metrics) -> Tag:
    """Make the theme of the whole window and bind it. Returns it, so that it can be deleted when the scale changes."""
    colours = {
        dpg.mvThemeCol_WindowBg: rgb("1c2128"),
        dpg.mvThemeCol_ChildBg: PANEL,
        dpg.mvThemeCol_PopupBg: rgb("1c2128", 250),
        dpg.mvThemeCol_ModalWindowDimBg: (0, 0, 0, 130),
        dpg.mvThemeCol_Border: LINE,
        dpg.mvThemeCol_BorderShadow: (0, 0, 0, 0),
        dpg.mvThemeCol_Text: TEXT,
        dpg.mvThemeCol_TextDisabled: FAINT,
        dpg.mvThemeCol_TitleBg: RAISED,
        dpg.mvThemeCol_TitleBgActive: RAISED,
        dpg.mvThemeCol_TitleBgCollapsed: RAISED,
        dpg.mvThemeCol_FrameBg: RAISED,
        dpg.mvThemeCol_FrameBgHovered: HOVER,
        dpg.mvThemeCol_FrameBgActive: PRESSED,
        dpg.mvThemeCol_Button: RAISED,
        dpg.mvThemeCol_ButtonHovered: HOVER,
        dpg.mvThemeCol_ButtonActive: PRESSED,
        dpg.mvThemeCol_Header: HOVER,
        dpg.mvThemeCol_HeaderHovered: HOVER,
        dpg.mvThemeCol_HeaderActive: PRESSED,
        dpg.mvThemeCol_CheckMark: ACCENT,
        dpg.mvThemeCol_SliderGrab: rgb("3d6f99"),
        dpg.mvThemeCol_SliderGrabActive: rgb("4d8bbf"),
        dpg.mvThemeCol_Separator: LINE,
        dpg.mvThemeCol_ScrollbarBg: (0, 0, 0, 0),
        dpg.mvThemeCol_ScrollbarGrab: PRESSED,
        dpg.mvThemeCol_ScrollbarGrabHovered: FAINT,
        dpg.mvThemeCol_ScrollbarGrabActive: DIM,
        dpg.mvThemeCol_PlotHistogram: ACCENT,
        dpg.mvThemeCol_TextSelectedBg: rgb("5aa9e6", 90),
        dpg.mvThemeCol_TableHeaderBg: RAISED,
        dpg.mvThemeCol_TableBorderLight: LINE,
        dpg.mvThemeCol_TableBorderStrong: LINE,
    }
    plot_colours = {
        dpg.mvPlotCol_FrameBg: (0, 0, 0, 0),
        dpg.mvPlotCol_PlotBg: PLOT_GROUND,
        dpg.mvPlotCol_PlotBorder: LINE,
        dpg.mvPlotCol_AxisGrid: rgb("8d98a7", 36),
        dpg.mvPlotCol_AxisText: DIM,
        dpg.mvPlotCol_AxisBgHovered: (0, 0, 0, 0),
        dpg.mvPlotCol_AxisBgActive: (0, 0, 0, 0),
        dpg.mvPlotCol_Crosshairs: DIM,
    }
    px = metrics.px
    styles: dict[int, tuple[float, float]] = {
        dpg.mvStyleVar_WindowPadding: (px(8), px(6)),
        dpg.mvStyleVar_FramePadding: (px(7), px(3)),
        dpg.mvStyleVar_ItemSpacing: (px(6), px(5)),
        dpg.mvStyleVar_ItemInnerSpacing: (px(5), px(4)),
        dpg.mvStyleVar_CellPadding: (px(6), px(1)),
        dpg.mvStyleVar_FrameRounding: (px(3), -1),
        dpg.mvStyleVar_ChildRounding: (px(4), -1),
        dpg.mvStyleVar_PopupRounding: (px(4), -1),
        dpg.mvStyleVar_WindowRounding: (px(5), -1),
        dpg.mvStyleVar_GrabRounding: (px(3), -1),
        dpg.mvStyleVar_ScrollbarSize: (px(9), -1),
        dpg.mvStyleVar_GrabMinSize: (px(10), -1),
        dpg.mvStyleVar_WindowBorderSize: (1, -1),
        dpg.mvStyleVar_ChildBorderSize: (1, -1),
        dpg.mvStyleVar_FrameBorderSize: (0, -1),
    }
    plot_styles: dict[int, tuple[float, float]] = {
        dpg.mvPlotStyleVar_PlotPadding: (px(2), px(2)),
        dpg.mvPlotStyleVar_LabelPadding: (px(3), px(2)),
        dpg.mvPlotStyleVar_PlotBorderSize: (1, -1),
        dpg.mvPlotStyleVar_PlotMinSize: (px(40), px(16)),
        dpg.mvPlotStyleVar_MinorAlpha: (0.0, -1),
        dpg.mvPlotStyleVar_MajorTickLen: (px(3), px(3)),
    }
    theme: Tag = dpg.add_theme()
    with dpg.theme_component(dpg.mvAll, parent=theme):
        for target, colour in colours.items():
            dpg.add_theme_color(target, colour, category=dpg.mvThemeCat_Core)
        for target, colour in plot_colours.items():
            dpg.add_theme_color(target, colour, category=dpg.mvThemeCat_Plots)
        for target, (x, y) in styles.items():
            dpg.add_theme_style(target, x, y, category=dpg.mvThemeCat_Core)
        for target, (x, y) in plot_styles.items():
            dpg.add_theme_style(target, x, y, category=dpg.mvThemeCat_Plots)
    dpg.bind_theme(theme)
    return theme


def text_width(text: str, metrics: Metrics) -> int:
    """Width of a text in the window's font; an estimate before the first frame, when Dear PyGui knows none. [px]"""
    measured = dpg.get_text_size(text)
    return round(measured[0]) if measured is not None and measured[0] > 0 else metrics.px(7.2 * len(text))


def heading(text: str, parent: Tag = 0) -> Tag:
    """The title of a panel."""
    tag: Tag = dpg.add_text(text.upper(), color=DIM, parent=parent)
    return tag


def hint(text: str) -> None:
    """A tooltip for the item added last."""
    with dpg.tooltip(dpg.last_item(), delay=0.4, hide_on_activity=True):
        dpg.add_text(text)


def bubble() -> AbstractContextManager[Tag]:
    """A small hidden window that floats over the others and takes no focus: a toast, or words at the pointer."""
    floating: AbstractContextManager[Tag] = dpg.window(
        show=False,
        no_title_bar=True,
        no_resize=True,
        no_move=True,
        autosize=True,
        no_focus_on_appearing=True,
        min_size=(20, 10),
    )
    return floating
