"""The settings of a video to be exported, as widgets: what they say is an order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import dearpygui.dearpygui as dpg

from panels.export_choices import TraceChoice, traces_of, views_of
from panels.style import DIM, Metrics, Tag, hint
from panels.view_choice import ViewChoice
from panels.writing import reveal, write_value
from viewer_app.insight import lane_letter
from viewer_app.scene import Scene
from viewer_app.tiles import POLICY
from viewer_app.video_order import FORMATS, HERE, VideoOrder
from viewer_app.view import Frame, camera_presets

_WHOLE, _FROM_HERE, _UP_TO_HERE, _STEPS = "whole", "from here on", "up to here", "these steps"
_LABELS = 74
"""Width of the column of words. [px]"""
_ROWS = 10
"""Lines of widgets beside the views."""


class ExportForm:
    """A column of settings. What a person chose stays for the next time."""

    def __init__(self, scene: Scene, strips: Sequence[str]) -> None:
        """
        Args:
            scene: Its cameras are offered.
            strips: Names of the bands that can be shown below the views.
        """
        self._scene = scene
        self._strip_names = tuple(strips)
        self._views = ViewChoice(lambda: None)
        self._traces: tuple[TraceChoice, ...] = ()
        self._lanes: dict[str, tuple[int, ...]] = {}
        self._here = 0

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        return (self._tile, self._begin, self._end, self._speed, self._fps, self._columns)

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent, border=False)
        with dpg.group(parent=self.window, horizontal=True) as self._presets:
            for label, words, preset in (
                ("Six angles", "The six camera presets, 640x360 each", self.show_six_angles),
                ("This view", "What the window shows, 1280x720", self._show_this_view),
                ("Policy's eyes", "What the policy saw through each of its cameras", self._show_policy),
                (
                    "Side by side",
                    "This view of every lane; of a single lane, beside what its policy saw",
                    self._show_both,
                ),
            ):
                dpg.add_button(label=label, callback=preset)
                hint(words)
        self._views.build(self.window)
        with dpg.table(parent=self.window, header_row=False, policy=dpg.mvTable_SizingFixedFit) as self._table:
            self._label_column = dpg.add_table_column(width_fixed=True)
            dpg.add_table_column(width_stretch=True)
            self._build_picture()
            self._build_content()
            self._build_time()
        self._spacing: Tag | None = None

    def _line(self, words: str) -> Tag:
        """A line of the table; what is added next comes behind the words."""
        row = dpg.add_table_row(parent=self._table)
        dpg.add_text(words, color=DIM, parent=row)
        group: Tag = dpg.add_group(horizontal=True, parent=row)
        dpg.push_container_stack(group)
        self._rows[words] = row
        return row

    def _build_picture(self) -> None:
        self._rows: dict[str, Tag] = {}
        self._line("Grid")
        self._columns = dpg.add_input_int(
            default_value=3, min_value=1, min_clamped=True, max_value=12, max_clamped=True
        )
        hint("How many views of a lane stand in a row")
        dpg.add_text("in a row, each", color=DIM)
        self._tile = dpg.add_input_text(default_value="640x360")
        hint("Width and height of a view in pixels")
        dpg.pop_container_stack()
        self._line("Drawn over")
        self._legend = dpg.add_checkbox(label="legend", default_value=True)
        hint("The overlays are those that the window shows now; this says in the first view what they are")
        self._labels = dpg.add_checkbox(label="names of views", default_value=True)
        hint("Each view says in a corner which it is")
        dpg.pop_container_stack()
        self._line("Below")
        self._strips = {name: dpg.add_checkbox(label=name) for name in self._strip_names}
        dpg.pop_container_stack()
        for name, item in self._strips.items():
            with dpg.tooltip(item, delay=0.4, hide_on_activity=True):
                dpg.add_text(_STRIP_HINTS.get(name, "A band under the views"))

    def _build_content(self) -> None:
        self._line("Lanes")
        self._lane = dpg.add_combo([], width=-1)
        hint("Lanes are shown side by side, at the same moments")
        dpg.pop_container_stack()
        self._line("Trace")
        self._trace = dpg.add_combo([], width=-1, callback=lambda: self._limit())
        hint("Several traces are shown one after another")
        dpg.pop_container_stack()
        self._line("Range")
        self._range = dpg.add_combo(
            [_WHOLE, _FROM_HERE, _UP_TO_HERE, _STEPS], default_value=_WHOLE, width=-1, callback=lambda: self._limit()
        )
        hint("Which steps to show; here is the step that was looked at when the card was opened")
        dpg.pop_container_stack()
        self._line("Steps")
        self._begin = dpg.add_input_int(step=0, callback=lambda: self._type_steps())
        hint("First step to show")
        dpg.add_text("to", color=DIM)
        self._end = dpg.add_input_int(step=0, callback=lambda: self._type_steps())
        hint("Last step to show")
        dpg.pop_container_stack()

    def _build_time(self) -> None:
        self._line("Speed")
        self._speed = dpg.add_input_double(default_value=1.0, step=0, format="%.4g")
        hint("Simulated seconds per second of video: 1 is real time")
        dpg.add_text("times, at", color=DIM)
        self._fps = dpg.add_input_double(default_value=self._scene.spec.control_hz, step=0, format="%.4g")
        hint(f"Pictures a second; {self._scene.spec.control_hz:g} shows every control step at speed 1")
        dpg.add_text("fps", color=DIM)
        dpg.pop_container_stack()
        self._line("Format")
        self._format = dpg.add_combo(list(FORMATS), default_value=next(iter(FORMATS)), width=-1)
        hint("What is written; the file's name says it too")
        dpg.pop_container_stack()

    def on_format(self, chosen: Callable[[], None]) -> None:
        """Have something done whenever a person chooses another format."""
        dpg.configure_item(self._format, callback=lambda: chosen())

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the card."""
        px = metrics.px
        self._space(metrics)
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        lines = -(-len(self._views.offered) // 2)
        room = height - px(36) - _ROWS * px(29)
        self._views.place(width, min(lines * px(25) + px(4), max(room, px(80))), metrics)
        dpg.configure_item(self._label_column, init_width_or_weight=px(_LABELS))
        for item, wide in (
            (self._columns, 88),
            (self._tile, 92),
            (self._begin, 88),
            (self._end, 88),
            (self._speed, 64),
            (self._fps, 64),
        ):
            dpg.configure_item(item, width=px(wide))

    def _space(self, metrics: Metrics) -> None:
        """Leave as much between the lines of the table as between those of other cards."""
        if self._spacing is not None:
            dpg.delete_item(self._spacing)
        with dpg.theme() as self._spacing, dpg.theme_component(dpg.mvAll):
            dpg.add_theme_style(dpg.mvStyleVar_CellPadding, metrics.px(4), metrics.px(3))
        dpg.bind_item_theme(self._table, self._spacing)

    # What it shows.

    def begin(self, frame: Frame) -> None:
        """Take a frame when the card is opened."""
        self._here = frame.clock
        first = not self._views.offered
        self._views.offer(views_of(self._scene, frame))
        if first:
            self.show_six_angles()
        self._traces = ()
        letters = {f"lane {lane_letter(number)} alone": (number,) for number in range(len(frame.lanes))}
        self._lanes = {"all side by side": (), **letters}
        dpg.configure_item(self._lane, items=list(self._lanes))
        dpg.set_value(self._lane, next(iter(self._lanes)))
        reveal(self._rows["Lanes"], len(frame.lanes) > 1)
        self.update(frame)
        dpg.set_value(self._trace, traces_of(frame)[0].label)
        dpg.set_value(self._range, _WHOLE)
        self._limit()

    def update(self, frame: Frame) -> None:
        """Follow the session: traces grow, and new ones begin."""
        traces = traces_of(frame)
        if traces == self._traces:
            return
        before = self._trace_choice
        self._traces = traces
        dpg.configure_item(self._trace, items=[each.label for each in traces])
        after = next((each for each in traces if before is not None and each.names == before.names), None)
        if before is not None and after is None and len(before.names) > 1:
            after = next((each for each in traces if len(each.names) > 1), None)
        write_value(self._trace, (after or traces[0]).label)
        self._limit()

    @property
    def _trace_choice(self) -> TraceChoice | None:
        label = dpg.get_value(self._trace)
        return next((each for each in self._traces if each.label == label), self._traces[0] if self._traces else None)

    def _limit(self) -> None:
        """Write what the range comes to, and let it be chosen where there is one trace."""
        choice = self._trace_choice
        several = choice is not None and len(choice.names) > 1
        for item in (self._range, self._begin, self._end):
            dpg.configure_item(item, enabled=not several)
        if several:
            dpg.set_value(self._range, _WHOLE)
        length = choice.length if choice is not None else 0
        spans = {_WHOLE: (0, length), _FROM_HERE: (self._here, length), _UP_TO_HERE: (0, self._here)}
        span = spans.get(dpg.get_value(self._range))
        if span is not None:
            for item, value in zip((self._begin, self._end), span, strict=True):
                write_value(item, value)

    def _type_steps(self) -> None:
        dpg.set_value(self._range, _STEPS)

    # Layouts.

    def show_six_angles(self) -> None:
        names = [camera.label for camera in camera_presets(self._scene.spec.look_at)]
        self._lay_out(names, 3, "640x360")

    def _show_this_view(self) -> None:
        self._lay_out([HERE], 1, "1280x720")

    def _show_policy(self) -> None:
        eyes = self._eyes
        self._lay_out(eyes, len(eyes), self._eye_size)

    def _show_both(self) -> None:
        several = len(self._lanes) > 2
        if several:
            dpg.set_value(self._lane, next(iter(self._lanes)))
        views = [HERE] if several else [HERE, *self._eyes]
        self._lay_out(views, len(views), "960x540" if several else self._eye_size)

    @property
    def _eyes(self) -> list[str]:
        return [name for name in self._views.offered if name.startswith(POLICY)]

    @property
    def _eye_size(self) -> str:
        """The size of the policy's pictures, in whole multiples where they are small."""
        sizes = [self._scene.spec.cameras[name.removeprefix(POLICY)] for name in self._eyes]
        if not sizes:
            return "640x480"
        times = max(round(480 / sizes[0].width), 1)
        return f"{sizes[0].width * times // 2 * 2}x{sizes[0].height * times // 2 * 2}"

    def _lay_out(self, views: Sequence[str], columns: int, tile: str) -> None:
        self._views.choose(views)
        dpg.set_value(self._columns, min(max(columns, 1), 3))
        dpg.set_value(self._tile, tile)

    # What it says.

    @property
    def ending(self) -> str:
        """Of the video's name."""
        return FORMATS[dpg.get_value(self._format)]

    @ending.setter
    def ending(self, ending: str) -> None:
        name = next((name for name, each in FORMATS.items() if each == ending.lower()), None)
        if name is not None:
            write_value(self._format, name)

    def order(self, frame: Frame, path: Path, force: bool) -> VideoOrder:
        """What the settings say.

        Args:
            frame: What is looked at.
            path: Where the video goes.
            force: Whether to replace what is there.
        """
        choice = self._trace_choice
        some = dpg.get_value(self._range) != _WHOLE
        overlays = replace(frame.focus.overlays, legend=bool(dpg.get_value(self._legend)))
        return VideoOrder(
            path=path,
            views=self._views.chosen,
            here=frame.focus.camera,
            columns=int(dpg.get_value(self._columns)),
            tile=str(dpg.get_value(self._tile)),
            labels=bool(dpg.get_value(self._labels)),
            overlays=overlays,
            strips=tuple(name for name, item in self._strips.items() if dpg.get_value(item)),
            traces=choice.names if choice is not None else (None,),
            lanes=self._lanes.get(dpg.get_value(self._lane), ()),
            begin=int(dpg.get_value(self._begin)) if some else 0,
            end=int(dpg.get_value(self._end)) if some else None,
            speed=float(dpg.get_value(self._speed)),
            fps=float(dpg.get_value(self._fps)),
            force=force,
        )


_STRIP_HINTS = {
    "caption": "Checkpoint, seed, phase or outcome, step and time",
    "timeline": "Phases, chunk boundaries, contact, and the moment shown",
    "joints": "Every number of the actions over time, and what was measured where that is the same",
}
