"""Inputs: what blinding each of them changes in the chunk, at the gripper and per number of the action."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from viewer_app.figures.look import BLUE, VERMILLION, WIDTH, head, legend, shortened
from viewer_app.figures.subject import Plot, Row, Subject
from viewer_app.insight import Effect
from viewer_app.scene import Scene
from viewer_app.types import FloatArray, WhiskersError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _effects(subject: Subject) -> tuple[Effect, ...]:
    effects = subject.moment.effects if subject.moment is not None else ()
    if not effects:
        raise WhiskersError(f"What each input does at step {subject.step} is not known yet: ask the policy first.")
    return effects


def draw(figure: Figure, subject: Subject) -> None:
    """Bars of the gripper's distance at the left, a table of the last action in colours at the right."""
    effects = _effects(subject)
    names = subject.scene.action_names
    figure.set_size_inches(WIDTH, 2.1 + 0.34 * len(effects))
    bars, joints = figure.subplots(1, 2, width_ratios=(1, max(len(names) / 4, 0.8)))
    rows = np.arange(len(effects))
    end = bars.barh(rows, [effect.end for effect in effects], height=0.6, color=BLUE)
    (most,) = bars.plot(
        [effect.largest for effect in effects],
        rows,
        linestyle="none",
        marker="D",
        markersize=3.5,
        color=VERMILLION,
        clip_on=False,
    )
    bars.set_yticks(rows, [shortened(effect.name) for effect in effects])
    bars.invert_yaxis()
    bars.set_xlabel("distance of the whiskers [mm]")
    bars.set_xlim(0, max(1.1 * max(effect.largest for effect in effects), 1e-3))
    bars.grid(axis="x", linewidth=0.4, color="#e6e6e6")
    bars.set_title("End effector", loc="left", pad=3)
    _draw_joints(figure, joints, np.stack([effect.joints for effect in effects]), subject.scene)
    head(
        figure,
        f"What each input does at step {subject.step}",
        subject,
        "chunk with one input blinded against the plain one",
    )
    legend(figure, [(end, "at the end of the chunk"), (most, "largest over the chunk")])


def _draw_joints(figure: Figure, plot: Axes, shown: FloatArray, scene: Scene) -> None:
    actions = scene.actions
    most = max(float(np.abs(shown).max()), 1e-3)
    image = plot.imshow(shown, cmap="PuOr", vmin=-most, vmax=most, aspect="auto")
    for (row, joint), value in np.ndenumerate(shown):
        dark = abs(value) > 0.6 * most
        decimals = 1 if actions.shown_units[joint] else 2
        plot.text(
            joint,
            row,
            f"{value:+.{decimals}f}",
            ha="center",
            va="center",
            fontsize=6.5,
            color="white" if dark else "black",
        )
    alike = len(set(actions.shown_units)) == 1
    names = [shortened(name) + actions.bracketed(i) * (not alike) for i, name in enumerate(actions.names)]
    plot.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    plot.set_yticks([])
    unit = actions.bracketed(0) * alike
    noun = "Joints" if scene.spec.action.kind == "joints" else "Action"
    plot.set_title(f"{noun} at the end of the chunk{unit}", loc="left", pad=3)
    figure.colorbar(image, ax=plot, label=f"blinded minus plain{unit}", pad=0.02)


def table(subject: Subject) -> Iterator[Row]:
    """One line an input."""
    effects = _effects(subject)
    actions = subject.scene.actions
    yield (
        "input",
        "end [mm]",
        "largest [mm]",
        *(f"{name}{actions.bracketed(i)}" for i, name in enumerate(actions.names)),
    )
    for effect in effects:
        yield (effect.name, effect.end, effect.largest, *(float(x) for x in effect.joints))


INPUTS = Plot("Inputs", draw, table)
