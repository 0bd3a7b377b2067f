"""Where objects and joints are, in numbers that can be typed; saved start positions; pushes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import Action, SaveStart, Send, UseStart, keys_of
from panels.style import ACCENT, DIM, FAINT, WARN, Metrics, Tag, heading, hint
from panels.writing import reveal, write, write_value
from viewer_app.commands import Place, Push, StopPushing
from viewer_app.scene import Scene
from viewer_app.types import Pose, Positions
from viewer_app.view import Frame, Show

DIRECTIONS: dict[str, tuple[float, float, float]] = {
    "+x": (1.0, 0.0, 0.0),
    "-x": (-1.0, 0.0, 0.0),
    "+y": (0.0, 1.0, 0.0),
    "-y": (0.0, -1.0, 0.0),
    "up": (0.0, 0.0, 1.0),
    "down": (0.0, 0.0, -1.0),
}
"""Of the world's axes."""
_JOINT = "joint "
"""What the choice of a joint begins with."""
_NOTHING = "nothing here can be moved"
_UNITS = {"range_100": "of -100 .. 100", "range_0_100": "of 0 .. 100", "degrees": "deg", "radians": "scene units"}
_AXES = ("x", "y", "z")
_TURNS = ("roll", "pitch", "yaw")
Quaternion = tuple[float, float, float, float]
Triple = tuple[float, float, float]


def angles_of(quaternion: Quaternion) -> Triple:
    """Roll, pitch and yaw of an orientation: turned about the world's x, then y, then z. [deg]"""
    w, x, y, z = quaternion
    roll = np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2 * (w * y - z * x), -1, 1))
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    a, b, c = (float(each) for each in np.rad2deg((roll, pitch, yaw)))
    return a, b, c


def quaternion_of(angles: Triple) -> Quaternion:
    """The orientation of roll, pitch and yaw [deg]: w, x, y, z."""
    (cr, cp, cy), (sr, sp, sy) = (turn(np.deg2rad(angles) / 2) for turn in (np.cos, np.sin))
    numbers = (
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    )
    w, x, y, z = (float(each) for each in numbers)
    return w, x, y, z


def typed_pose(before: Pose, shown: Sequence[float], typed: Sequence[float]) -> Pose:
    """The pose that a person typed. Numbers that were left alone stay what they were, to the last digit.

    Args:
        before: Where it is.
        shown: What the fields showed before: x, y, z [mm], roll, pitch, yaw [deg].
        typed: What they show now.
    """
    kept = [old == new for old, new in zip(shown, typed, strict=True)]
    x, y, z = (
        position if same else number / 1000
        for position, same, number in zip(before.position, kept[:3], typed[:3], strict=True)
    )
    if all(kept[3:]):
        return Pose((x, y, z), before.quaternion)
    roll, pitch, yaw = typed[3:]
    return Pose((x, y, z), quaternion_of((roll, pitch, yaw)))


class ObjectsPanel:
    """A tab at the lower right."""

    def __init__(
        self, send: Send, scene: Scene, objects: Sequence[str], others: Sequence[str], pushable: Sequence[str]
    ) -> None:
        """
        Args:
            send: Takes `Place`, `Push`, `StopPushing`, `SaveStart`, `UseStart` and `Show`.
            scene: Says what the joints are called.
            objects: Bodies that can be put anywhere.
            others: Joints besides the robot's that can be put somewhere.
            pushable: Bodies that can be pushed.
        """
        self._send = send
        self._scene = scene
        joints = () if scene.spec.environment else (*scene.joint_names, *others)
        self._choices = [*objects, *(f"{_JOINT}{name}" for name in joints)] or [_NOTHING]
        self._others = others
        self._pushable = list(pushable)
        self._chosen = self._choices[0]
        self._marked = ""
        self._positions: Positions | None = None
        self._began: Positions | None = None
        self._shown: tuple[float, ...] = ()
        self._typing = False
        self._frame: Frame | None = None

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        """While one of these is active, keys belong to it."""
        return (*self._fields, self._value, self._name, self._newtons, self._seconds)

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent)
        with dpg.group(parent=self.window):
            with dpg.group(horizontal=True):
                self._choice = dpg.add_combo(self._choices, default_value=self._chosen, callback=self._choose)
                hint("Which object or joint the numbers are of. Double-click a body in the picture to choose it")
                dpg.add_button(label="Back", callback=lambda: self._put_back())
                hint("Put it back where the episode began")
                dpg.add_button(label="Undo", callback=lambda: self._send(Action.UNDO_MOVE))
                hint(f"Put back what was moved last   {keys_of(Action.UNDO_MOVE)}")
            self._fields: list[Tag] = []
            with dpg.group() as self._pose_rows:
                self._add_row(_AXES, "mm", "Where it is in the world frame. Enter puts it there before the next step")
                self._add_row(_TURNS, "deg", "Turned about the world's x, then y, then z. Enter turns it")
            with dpg.group(horizontal=True) as self._value_row:
                self._value = dpg.add_input_float(step=0, format="%.5g", width=110)
                hint("Where the joint is. Enter puts it there, at rest, and has its actuator hold it")
                self._unit = dpg.add_text("", color=DIM)
            self._where = dpg.add_text("", color=FAINT, wrap=0)
            heading("Start positions", 0)
            with dpg.group(horizontal=True):
                self._start = dpg.add_combo([], width=110)
                hint("Positions that were saved for this scene")
                dpg.add_button(label="Put", callback=lambda: self._use(begin=False))
                hint("Put everything there before the next step")
                dpg.add_button(label="Begin", callback=lambda: self._use(begin=True))
                hint("A new episode from there; the following ones begin there too, whatever their seed")
                self._seed = dpg.add_button(label="By seed", callback=lambda: self._send(UseStart("", begin=True)))
                hint("A new episode that begins where the seed puts things, as the following ones")
            with dpg.group(horizontal=True):
                self._name = dpg.add_input_text(hint="name", width=110, on_enter=True, callback=lambda: self._save())
                hint("Under which name to save where everything is at the step looked at. Enter saves")
                dpg.add_button(label="Save", callback=lambda: self._save())
                hint("Save where everything is at the step looked at; whiskers run --start takes the file too")
            self._begins = dpg.add_text("", color=FAINT, wrap=0)
            heading("Push", 0)
            with dpg.group(horizontal=True):
                self._body = dpg.add_combo(self._pushable, width=110)
                hint("What is pushed, at its centre of mass")
                self._direction = dpg.add_combo(list(DIRECTIONS), default_value="+x", width=62)
                hint("Along which axis of the world")
            with dpg.group(horizontal=True):
                self._newtons = dpg.add_input_float(step=0, default_value=2.0, min_value=0.0, format="%.3g", width=58)
                hint("How strong. Ctrl+right-drag in the picture pushes a body any way")
                dpg.add_text("N for", color=DIM)
                self._seconds = dpg.add_input_float(step=0, default_value=0.3, min_value=0.0, format="%.3g", width=58)
                hint("How long, rounded to control steps")
                dpg.add_text("s", color=DIM)
                dpg.add_button(label="Push", callback=lambda: self._push())
                hint("Push it from the next step on")
                dpg.add_button(label="Stop", callback=lambda: self._send(StopPushing()))
                hint("End all pushes now")
            self._pushing = dpg.add_text("", color=FAINT, wrap=0)
        if self._pushable:
            dpg.set_value(self._body, self._pushable[-1])
        self._show_choice()

    def _add_row(self, names: Sequence[str], unit: str, text: str) -> None:
        with dpg.group(horizontal=True):
            for name in names:
                dpg.add_text(name, color=DIM)
                self._fields.append(dpg.add_input_float(step=0, format="%.2f", width=60))
                hint(text)
            dpg.add_text(unit, color=DIM)

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        inner = width - px(32)
        dpg.configure_item(self._choice, width=max(inner - px(112), px(90)))
        # Beside x, y, z and mm there is more room than beside roll, pitch, yaw and deg; it takes -1234.56 there.
        for fields, words in ((self._fields[:3], 120), (self._fields[3:], 166)):
            for each in fields:
                dpg.configure_item(each, width=max((inner - px(words)) // 3, px(44)))
        for combo, rest in ((self._start, 190), (self._name, 54), (self._body, 80)):
            dpg.configure_item(combo, width=max(inner - px(rest), px(90)))
        for text in (self._where, self._begins, self._pushing):
            dpg.configure_item(text, wrap=inner)

    def offer_starts(self, names: Sequence[str]) -> None:
        """Take the names of the start positions that are saved for the scene."""
        chosen = dpg.get_value(self._start)
        dpg.configure_item(self._start, items=list(names))
        dpg.set_value(self._start, chosen if chosen in names else next(iter(names), ""))

    def update(self, frame: Frame) -> None:
        """Show where things are at the moment looked at, and send what was typed."""
        self._frame = frame
        marked = frame.focus.overlays.body
        if marked != self._marked:
            self._marked = marked
            if marked in self._choices:
                self._turn_to(marked)
            if marked in self._pushable:
                dpg.set_value(self._body, marked)
        self._send_typed()
        moment = frame.moment
        if moment is not None and moment.trace is frame.trace and moment.positions is not None:
            self._positions, self._began = moment.positions, moment.began
            if not self._typing:
                self._show_numbers()
        self._say(frame)

    # Where things are.

    def _choose(self, _sender: Tag, choice: str) -> None:
        self._turn_to(choice)
        assert self._frame is not None
        body = "" if choice == _NOTHING or choice.startswith(_JOINT) else choice
        self._marked = body
        self._send(Show(replace(self._frame.focus.overlays, body=body)))

    def _turn_to(self, choice: str) -> None:
        self._chosen, self._typing, self._shown = choice, False, ()
        write_value(self._choice, choice)
        self._show_choice()

    @property
    def _joint(self) -> str:
        return self._chosen.removeprefix(_JOINT) if self._chosen.startswith(_JOINT) else ""

    def _show_choice(self) -> None:
        reveal(self._pose_rows, not self._joint and self._chosen != _NOTHING)
        reveal(self._value_row, bool(self._joint))
        units = {joint.name: _UNITS.get(joint.unit, joint.unit) for joint in self._scene.spec.joints}
        write_value(self._unit, units.get(self._joint, "rad or m"))

    def _numbers(self) -> tuple[float, ...]:
        """What the fields have to show, as they show it."""
        positions = self._positions
        if positions is None:
            return ()
        if self._joint:
            values = positions.others if self._joint in self._others else positions.joints
            return (float(f"{values[self._joint]:.5g}"),) if self._joint in values else ()
        pose = positions.objects.get(self._chosen)
        if pose is None:
            return ()
        # Without the rounding of -0.001 to -0.00.
        return tuple(round(x, 2) + 0.0 for x in (*(1000 * x for x in pose.position), *angles_of(pose.quaternion)))

    def _items(self) -> list[Tag]:
        return [self._value] if self._joint else self._fields

    def _show_numbers(self) -> None:
        numbers = self._numbers()
        if numbers != self._shown and numbers:
            self._shown = numbers
            for item, number in zip(self._items(), numbers, strict=True):
                dpg.set_value(item, number)

    def _send_typed(self) -> None:
        """Put things where a person typed, once Enter is pressed; who leaves the fields otherwise changes nothing."""
        active = any(dpg.is_item_active(item) for item in self._items())
        if not active and not self._typing:
            return
        entered = any(dpg.is_key_pressed(key) for key in (dpg.mvKey_Return, dpg.mvKey_NumPadEnter))
        self._typing = active and not entered
        if self._typing:
            return
        typed = [float(dpg.get_value(item)) for item in self._items()]
        shown, self._shown = self._shown, ()
        # The widgets hold single precision.
        typed = [
            old if abs(old - new) < 1e-5 * max(abs(old), 1.0) else new for old, new in zip(shown, typed, strict=False)
        ]
        if entered and self._positions is not None and len(typed) == len(shown) and list(shown) != typed:
            self._put(typed, shown)

    def _put(self, typed: Sequence[float], shown: Sequence[float]) -> None:
        assert self._positions is not None
        name = self._joint
        if not name:
            pose = typed_pose(self._positions.objects[self._chosen], shown, typed)
            self._send(Place(Positions({self._chosen: pose})))
        elif name in self._others:
            self._send(Place(Positions(others={name: typed[0]})))
        else:
            self._send(Place(Positions(joints={name: typed[0]})))

    def _put_back(self) -> None:
        began, name = self._began, self._joint
        if began is None:
            return
        objects = {self._chosen: began.objects[self._chosen]} if self._chosen in began.objects else {}
        joints = {name: began.joints[name]} if name in began.joints else {}
        others = {name: began.others[name]} if name in began.others else {}
        if objects or joints or others:
            self._send(Place(Positions(objects, joints, others)))

    # Start positions and pushes.

    def _use(self, begin: bool) -> None:
        name = str(dpg.get_value(self._start))
        if name:
            self._send(UseStart(name, begin))

    def _save(self) -> None:
        name = str(dpg.get_value(self._name)).strip()
        if name:
            self._send(SaveStart(name))

    def _push(self) -> None:
        body, newtons = str(dpg.get_value(self._body)), float(dpg.get_value(self._newtons))
        steps = max(round(float(dpg.get_value(self._seconds)) / self._scene.control_dt), 1)
        x, y, z = (newtons * each for each in DIRECTIONS[str(dpg.get_value(self._direction))])
        if body:
            self._send(Push(body, (x, y, z), steps))

    def _say(self, frame: Frame) -> None:
        writing = frame.trace is frame.lane.now.trace and frame.step == frame.length
        write(
            self._where,
            "Enter puts it there before the next step"
            if writing
            else f"History: a change branches at step {frame.step}",
            FAINT if writing else WARN,
        )
        start = frame.lane.settings.start
        if start is None:
            write(self._begins, "Episodes begin where the seed puts things", FAINT)
        else:
            write(self._begins, f"Episodes begin at {start.name or 'start positions'}", ACCENT)
        reveal(self._seed, start is not None)
        forces = frame.trace.forces_at(frame.step)
        words = [
            f"{force.body} {float(np.linalg.norm(force.force)):.3g} N, {force.end - frame.step} to go"
            for force in forces
        ]
        write(self._pushing, "; ".join(words) or "Nothing pushes at this step", ACCENT if words else FAINT)
