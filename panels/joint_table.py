"""How well each joint follows, as a table: what a narrow panel has no room for beside the plots."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from panels.joint_marks import Lamp, Ruler, Saturation, lag_words, spreads_at
from panels.style import BAD, DIM, TEXT, WARN, Metrics, Tag
from viewer_app.insight import EpisodeInsight, MomentInsight

_COLUMNS = ("joint", "rms", "max", "lag", "then")
_COLOURS = {Lamp.OFF: TEXT, Lamp.COMING: WARN, Lamp.NOW: BAD}


class TrackingTable:
    """One row a joint."""

    def __init__(self, parent: Tag, names: tuple[str, ...]) -> None:
        """
        Args:
            parent: The window that it lies in.
            names: Of the joints.
        """
        self._shown: dict[Tag, object] = {}
        self.window = dpg.add_child_window(parent=parent, border=False, show=False)
        with dpg.table(
            parent=self.window,
            header_row=True,
            borders_innerH=True,
            policy=dpg.mvTable_SizingStretchProp,
            no_host_extendX=True,
        ):
            for column in _COLUMNS:
                dpg.add_table_column(label=column)
            self._rows: list[list[Tag]] = []
            for name in names:
                with dpg.table_row():
                    self._rows.append([dpg.add_text(name), *(dpg.add_text("") for _ in _COLUMNS[1:])])
        self._note = dpg.add_text("", parent=self.window, color=DIM, wrap=0)

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the panel."""
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        dpg.configure_item(self._note, wrap=width - metrics.px(14))

    def update(
        self,
        ruler: Ruler,
        saturation: tuple[Saturation, ...],
        episode: EpisodeInsight | None,
        moment: MomentInsight | None,
    ) -> None:
        """Show the figures of an episode and of a moment of it."""
        says, dt = ruler.says, ruler.scene.control_dt
        apart = spreads_at(moment, ruler) if moment is not None else None
        tracked = episode.tracking if episode is not None and episode.length else ()
        for joint, row in enumerate(self._rows):
            rms = largest = lag = ""
            if joint < len(tracked):
                factor = float(ruler.per_degree[joint])
                rms, largest = says(tracked[joint].rms * factor), says(tracked[joint].largest * factor)
                lag = lag_words(tracked[joint].lag, dt)
            then = "" if apart is None else says(float(apart[joint]))
            for cell, text in zip(row[1:], (rms, largest, lag, then), strict=True):
                self._write(cell, text)
            if self._shown.get(row[0]) is not (lamp := saturation[joint].lamp):
                self._shown[row[0]] = lamp
                dpg.configure_item(row[0], color=_COLOURS[lamp])
        steps = episode.length if episode is not None else 0
        self._write(
            self._note,
            f"In {ruler.unit}, over {steps} step{'s' * (steps != 1)}. rms and max: actual less commanded, one step "
            "after the command. lag: by which their velocities correlate best; - where a joint moves too little or too "
            "briefly to say. then: what the chunks that predicted this step span. A red name: the actuator cuts the "
            "command off; amber: one that is planned.",
        )

    def _write(self, item: Tag, text: str) -> None:
        if self._shown.get(item) != text:
            self._shown[item] = text
            dpg.set_value(item, text)
