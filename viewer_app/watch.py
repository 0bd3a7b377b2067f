"""Whoever looks at a trace after every step and says why to pause there."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from viewer_app.breakpoints import Breakpoints
from viewer_app.detectors import DETECTORS, OUT_OF_REACH, out_of_reach
from viewer_app.distance import Distance
from viewer_app.reach import ReachReader
from viewer_app.scene import Scene
from viewer_app.trace import Trace


class Watch:
    """Looks at a trace after every step."""

    def __init__(self, scene: Scene, breakpoints: Breakpoints) -> None:
        self.breakpoints = breakpoints
        self._scene = scene
        self._distance = Distance(scene) if breakpoints.distance is not None else None
        self._reach = ReachReader(scene) if OUT_OF_REACH in breakpoints.detectors else None
        self._found: WeakKeyDictionary[Trace, set[tuple[str, int]]] = WeakKeyDictionary()
        """What the detectors found in each trace so far."""

    def begin(self, trace: Trace) -> None:
        """Take what the detectors find in a trace so far for known."""
        if self.breakpoints.detectors and len(trace):
            self._found[trace] = self._findings(trace, len(trace))

    def reasons(self, trace: Trace) -> list[str]:
        """Why to pause after the last step of a trace, in words. Empty where there is no reason to."""
        wish, head = self.breakpoints, len(trace)
        if not head:
            return []
        found: list[str] = []
        if wish.chunk and not trace.outcome(head) and trace.is_due(head):
            found.append("a new chunk is due")
        before, now = trace.phase(head - 1), trace.phase(head)
        if wish.phase and now != before:
            found.append(f"phase {now.replace('_', ' ').lower()}")
        if wish.contact:
            touched, touches = (bool(trace.column("contact")[k]) for k in (head - 1, head))
            if touched != touches:
                found.append("contact begins" if touches else "contact ends")
        if wish.success and trace.outcome(head) == "success" and trace.outcome(head - 1) != "success":
            found.append("success")
        if self._distance is not None and wish.distance is not None:
            was, near = (1000 * self._distance.at(trace.snapshot(k)) for k in (head - 1, head))
            if near < wish.distance <= was:
                found.append(f"gripper {near:.1f} mm from the {self._scene.spec.task.object}")
        return found + self._new_findings(trace)

    def _new_findings(self, trace: Trace) -> list[str]:
        if not self.breakpoints.detectors:
            return []
        known = self._found.get(trace)
        if known is None:
            # What a branch or a recording brings along is no news; an episode's very first step may be.
            fresh = len(trace) == 1 and trace.parent is None
            known = set() if fresh else self._findings(trace, len(trace) - 1)
        now = self._findings(trace, len(trace))
        self._found[trace] = known | now
        return [f"{name} (since step {step})" for name, step in sorted(now - known, key=lambda found: found[1])]

    def _findings(self, trace: Trace, length: int) -> set[tuple[str, int]]:
        wish = self.breakpoints
        found = [
            finding
            for name in sorted(wish.detectors & DETECTORS.keys())
            for finding in DETECTORS[name](self._scene, trace, length, wish.thresholds)
        ]
        reach = self._reach.of(trace, length) if self._reach is not None else None
        if reach is not None:
            found += out_of_reach(reach.position, reach.orientation, reach.missed, reach.failed)
        return {(finding.detector, finding.step) for finding in found}
