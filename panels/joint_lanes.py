"""The other lanes in the joint plots: what their joints did at the same moments, or else what they were told."""

from __future__ import annotations

from collections.abc import Sequence

from panels.joint_curves import executed, measured, thinned
from panels.joint_head import Head
from panels.joint_plot import JointPlot, lane_curve, put
from panels.style import Rgba, Tag
from viewer_app.joint_units import JointUnit
from viewer_app.types import FloatArray
from viewer_app.view import Frame


class OtherLanes:
    """Curves of the lanes beside the one looked at."""

    def __init__(self, colours: Sequence[Rgba]) -> None:
        """
        Args:
            colours: Of the lanes, in turn; without any there are no curves.
        """
        self._colours = colours
        self._numbers: tuple[int, ...] = ()
        self.drawn: tuple[tuple[FloatArray, FloatArray], ...] = ()
        """Times and values of what is drawn. Shapes (M,) and (M, n)."""

    def adopt(self, frame: Frame, head: Head, plots: Sequence[JointPlot], themes: dict[str, Tag]) -> bool:
        """Have curves for the lanes beside the one looked at, and for no other. Returns whether they are other ones."""
        numbers = tuple(each.lane_number for each in frame.lanes if each.lane_number != frame.lane_number)
        if not self._colours or numbers == self._numbers:
            return False
        head.offer_lanes(numbers, self._colours)
        for plot in plots:
            for lane in numbers:
                if lane_curve(lane) not in plot.series:
                    plot.add_lane(lane, lane_curve(lane % len(self._colours)), themes)
            for lane in {*numbers, *self._numbers}:
                plot.show_curve(lane_curve(lane), lane in numbers and lane_curve(lane) in head.on)
        self._numbers = numbers
        return True

    def key(self, frame: Frame) -> object:
        """What the curves are read from: equal keys mean equal curves."""
        return tuple((each.trace, each.length) for each in frame.lanes if each.lane_number in self._numbers)

    def draw(
        self,
        frame: Frame,
        plots: Sequence[JointPlot],
        on: set[str],
        unit: JointUnit,
        window: tuple[float, float],
        width: int,
    ) -> None:
        """Draw those that are switched on.

        Args:
            frame: What is looked at. Normalised units are those of its policy, so that curves can be compared.
            plots: One a joint.
            on: Names of the curves that are shown.
            unit: Of the values.
            window: Begin and end of the time shown. [s]
            width: Of the plots. [px]
        """
        scene, policy = frame.view.scene, frame.trace.policy
        shown = [
            each for each in frame.lanes if each.lane_number in self._numbers and lane_curve(each.lane_number) in on
        ]
        followed = measured if scene.measures_commands else executed
        self.drawn = tuple(followed(each.trace, each.length, unit, scene, policy, *window) for each in shown)
        for each, (times, values) in zip(shown, self.drawn, strict=True):
            for joint, plot in enumerate(plots):
                put(plot.series[lane_curve(each.lane_number)], *thinned(times, values[:, joint], width))
