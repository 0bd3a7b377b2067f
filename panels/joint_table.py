"""How well each joint follows, as a table: what a narrow panel has no room for beside the plots.

Where nothing measures what is commanded, the table says what each number of the action is told, and a second one below
it what each number of proprioception is.
"""

from __future__ import annotations

import dearpygui.dearpygui as dpg
import numpy as np

from panels.joint_marks import Lamp, Ruler, Saturation, lag_words, spreads_at
from panels.style import BAD, DIM, TEXT, WARN, Metrics, Tag, hint, text_width
from panels.writing import fitted
from viewer_app.channels import without_prefix
from viewer_app.insight import EpisodeInsight, MomentInsight
from viewer_app.joint_units import unmeasured
from viewer_app.scene import Scene
from viewer_app.types import Float32Array

_TRACKING = (("joint", 0.32), ("rms", 0.14), ("max", 0.14), ("lag", 0.26), ("then", 0.14))
_ACTIONS = (("action", 0.50), ("now", 0.25), ("then", 0.25))
_STATES = (("state", 0.34), ("now", 0.22), ("lowest", 0.22), ("highest", 0.22))
"""Columns and their shares of the width."""
_COLOURS = {Lamp.OFF: TEXT, Lamp.COMING: WARN, Lamp.NOW: BAD}


class TrackingTable:
    """One row a joint, or a number of whatever else actions are."""

    def __init__(self, parent: Tag, scene: Scene) -> None:
        """
        Args:
            parent: The window that it lies in.
            scene: Says what there is.
        """
        self._scene = scene
        self._shown: dict[object, object] = {}
        self._names: list[tuple[Tag, str, float]] = []  # what a cell is to say, and its share of the width
        self.window = dpg.add_child_window(parent=parent, border=False, show=False)
        measures = scene.measures_commands
        self._rows = self._table(_TRACKING if measures else _ACTIONS, scene.action_names)
        self._note = dpg.add_text("", parent=self.window, color=DIM, wrap=0)
        self._states = [] if measures else self._table(_STATES, scene.state_names)

    def _table(self, columns: tuple[tuple[str, float], ...], names: tuple[str, ...]) -> list[list[Tag]]:
        rows: list[list[Tag]] = []
        with dpg.table(
            parent=self.window,
            header_row=True,
            borders_innerH=True,
            policy=dpg.mvTable_SizingStretchProp,
            no_host_extendX=True,
        ):
            for column, share in columns:
                dpg.add_table_column(label=column, init_width_or_weight=share)
            for name, short in zip(names, without_prefix(names), strict=True):
                with dpg.table_row():
                    cell = dpg.add_text(short)
                    hint(name)
                    self._names.append((cell, short, columns[0][1]))
                    rows.append([cell, *(dpg.add_text("") for _ in columns[1:])])
        return rows

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the panel."""
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        dpg.configure_item(self._note, wrap=width - metrics.px(14))
        inner = width - metrics.px(24)  # the scroll bar's, and between the cells
        for cell, name, share in self._names:
            self._write(
                cell, fitted(name, round(share * inner) - metrics.px(8), lambda text: text_width(text, metrics))
            )

    def update(
        self,
        ruler: Ruler,
        saturation: tuple[Saturation, ...],
        command: Float32Array | None,
        episode: EpisodeInsight | None,
        moment: MomentInsight | None,
    ) -> None:
        """Show the figures of an episode and of a moment of it.

        Args:
            ruler: Unit of the actions.
            saturation: Of each number of the action.
            command: The action of the step, or the next one planned. Scene units. Shape (n,).
            episode: Of the trace.
            moment: Of the step.
        """
        apart = spreads_at(moment, ruler) if moment is not None else None
        now = ruler.convert(command[None])[0] if command is not None else None
        for joint, row in enumerate(self._rows):
            then = "" if apart is None else ruler.says(float(apart[joint]), joint)
            told = ("" if now is None else ruler.says(float(now[joint]), joint),)
            cells = _followed(ruler, episode, joint) if ruler.measures else told
            for cell, text in zip(row[1:], (*cells, then), strict=True):
                self._write(cell, text)
            if self._shown.get((row[0], "lamp")) is not (lamp := saturation[joint].lamp):
                self._shown[row[0], "lamp"] = lamp
                dpg.configure_item(row[0], color=_COLOURS[lamp])
        self._write(self._note, _note(ruler, episode))

    def update_states(self, states: Float32Array, step: int) -> None:
        """Show what is measured, where that is not what actions command.

        Args:
            states: Of the episode's moments. Scene units. Shape (M, m).
            step: The moment looked at.
        """
        if not self._states:
            return
        shown = self._scene.states.to_shown(np.stack([states[step], states.min(axis=0), states.max(axis=0)]))
        for number, row in enumerate(self._states):
            for cell, value in zip(row[1:], shown[:, number], strict=True):
                self._write(cell, self._scene.states.says(number, float(value)))

    def _write(self, item: Tag, text: str) -> None:
        if self._shown.get(item) != text:
            self._shown[item] = text
            dpg.set_value(item, text)


def _followed(ruler: Ruler, episode: EpisodeInsight | None, joint: int) -> tuple[str, ...]:
    """Root mean square and largest of the tracking error, and the lag."""
    tracked = episode.tracking if episode is not None and episode.length else ()
    if joint >= len(tracked):
        return "", "", ""
    factor = float(ruler.per_shown[joint])
    rms, largest = (ruler.says(value * factor, joint) for value in (tracked[joint].rms, tracked[joint].largest))
    return rms, largest, lag_words(tracked[joint].lag, ruler.scene.control_dt)


def _note(ruler: Ruler, episode: EpisodeInsight | None) -> str:
    if not ruler.measures:
        return (
            f"{unmeasured(ruler.scene)} then: what the chunks that predicted this step span. A red name: outside what "
            "is accepted; amber: one that is planned. Below, what is measured, now and over the episode."
        )
    steps = episode.length if episode is not None else 0
    return (
        f"In {ruler.words}, over {steps} step{'s' * (steps != 1)}. rms and max: actual less commanded, one step "
        "after the command. lag: by which their velocities correlate best; - where a joint moves too little or too "
        "briefly to say. then: what the chunks that predicted this step span. A red name: the actuator cuts the "
        "command off; amber: one that is planned."
    )
