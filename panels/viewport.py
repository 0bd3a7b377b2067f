"""The viewport: the picture of every lane, where they are looked at from, and which overlays are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dearpygui.dearpygui as dpg

from panels.actions import PRESETS, AddressLanes, Send, keys_of
from panels.pane import ChunkAt, Hand, LanePane, Pick, ShownPicture
from panels.style import Metrics, Tag, hint
from panels.writing import to_rgba
from viewer_app.scene import Scene
from viewer_app.view import Aim, Camera, Frame, OverlayChoice, Show, camera_presets

_TOGGLES = (
    ("whisker", "whisker", "The chunk being executed, or the ensembled path: where it would put the gripper"),
    ("physics", "physics", "The same chunk rolled forward through the simulation from here: lag and contacts included"),
    ("ghosts", "past", "Chunks asked for earlier, fading with age. Click a whisker to go where it was predicted"),
    ("path", "path", "Where the end effector has been"),
    ("members", "members", "Every chunk that said something about this step, and how far apart they are"),
    ("ensemble", "ensemble", "The temporal ensemble and its members; a what-if where the policy does not ensemble"),
    ("samples", "samples", "What else the policy would have answered to the same observation, and how far apart"),
    ("inputs", "without an input", "What the policy would do without each camera, and without the joint readings"),
    ("denoising", "denoising", "How the chunk comes out of noise, step by step, of a policy that denoises"),
    (
        "guidance",
        "real-time chunking",
        "What is left of the chunk before, and how strongly it pulls this one's rows",
    ),
    ("shadow", "the other policies", "What the policies of the other lanes would do here, each in its lane's colour"),
    ("ticks", "orientation", "How the gripper is turned along the whisker: red x, green y, blue z"),
    ("gripper", "gripper opening", "How far the gripper is open along the whisker"),
    ("target", "target", "Where this step's action asks the hand to be, and a line to where the joints can bring it"),
    ("pushes", "pushes", "What pushes the robot or an object in this step: an arrow as long as the force is strong"),
)
"""Field of `OverlayChoice`, its label and its tooltip."""
_IN_REACH = 4
"""How many of them stand in the toolbar of a narrow window; the others are behind its button."""
_ASPECT = 1.2
"""Width over height of what is worth seeing of a scene: lanes are tiled so that this is as large as possible."""


class ViewportPanel:
    """The largest panel."""

    def __init__(
        self,
        send: Send,
        scene: Scene,
        swatches: Mapping[str, tuple[float, float, float]],
        lanes: Sequence[tuple[Pick, ChunkAt, Hand, tuple[float, float, float]]],
    ) -> None:
        """
        Args:
            send: Takes `Aim`, `Show`, and what the panes send.
            scene: Its presets and cameras are offered.
            swatches: Field of `OverlayChoice` to its colour, RGB in [0, 1].
            lanes: For each lane: finds the world point under a pixel, finds the chunk under a pixel, takes hold of
                bodies; its colour.
        """
        self._send = send
        self._swatches = {name: to_rgba(colour) for name, colour in swatches.items()}
        self._has_targets = scene.spec.action.kind == "end_effector"
        presets = camera_presets(scene.spec.look_at)
        self._choices: dict[str, Camera] = {
            f"{keys_of(action)}  {camera.label}": camera for action, camera in zip(PRESETS, presets, strict=True)
        }
        for name in scene.viewing_cameras:
            self._choices[f"[ ]  {name}"] = Camera(scene.spec.look_at, scene_camera=name, label=name)
        self._panes = [
            LanePane(send, scene, pick, chunk_at, hand, number, colour)
            for number, (pick, chunk_at, hand, colour) in enumerate(lanes)
        ]
        self._size = (1, 1)
        self.columns = 1
        """In how many columns the lanes are shown."""
        self._wheel = 0.0
        self._toggles: dict[str, Tag] = {}
        self._overlays = OverlayChoice()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of each lane's picture. [px]"""
        return self._size

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent, no_scrollbar=True, no_scroll_with_mouse=True)
        several = len(self._panes) > 1
        with dpg.group(horizontal=True, parent=self.window):
            self._camera = dpg.add_combo(
                list(self._choices), width=130, callback=lambda _, name: self._send(Aim(self._choices[name]))
            )
            hint(
                "Left-drag: orbit, right-drag: pan, wheel: zoom, Esc: free camera\n"
                "Double-click: centre, and mark the body\n"
                "Ctrl+drag an object: move it along the ground (Shift: up and down; wheel: turn it). Ctrl+Z: undo\n"
                "Ctrl+right-drag a body: push it that way when you let go"
            )
            if several:
                dpg.add_checkbox(label="set all lanes", callback=lambda _, on: self._send(AddressLanes(on)))
                hint(
                    "What is set in the panels counts for all lanes, not only for the one looked at (Ctrl+L: the next)"
                )
            in_reach = _IN_REACH - 2 * several
            toggles = [entry for entry in _TOGGLES if entry[0] != "target" or self._has_targets]
            for entry in toggles[:in_reach]:
                self._add_toggle(*entry)
            self._more = dpg.add_button(label="more")
            hint("More overlays, and the legend in pictures")
            with dpg.popup(self._more, mousebutton=dpg.mvMouseButton_Left) as self._menu:
                for entry in toggles[in_reach:]:
                    with dpg.group(horizontal=True):
                        self._add_toggle(*entry)
        self._registry = dpg.add_texture_registry()
        for pane in self._panes:
            pane.build(self.window, self._registry)

    def _add_toggle(self, name: str, title: str, text: str) -> None:
        dpg.add_text("■", color=self._swatches[name])
        hint(text)
        self._toggles[name] = dpg.add_checkbox(
            label=title,
            default_value=bool(getattr(self._overlays, name)),
            callback=lambda _s, on, field: self._toggle(field, on),
            user_data=name,
        )
        hint(text)

    def _toggle(self, field: str, on: bool) -> None:
        self._send(Show(self._overlays.having(field, on)))

    def wheel(self, clicks: float) -> None:
        """Tell how far the mouse wheel was turned since the last frame."""
        self._wheel += clicks

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        dpg.configure_item(self._camera, width=px(140))
        left, top, gap = px(8), px(34), px(4)
        inner = (max(width - 2 * left, 16), max(height - top - px(8), 16))
        columns, rows = tiles(len(self._panes), *inner)
        self.columns = columns
        self._size = (
            max((inner[0] - (columns - 1) * gap) // columns, 16),
            max((inner[1] - (rows - 1) * gap) // rows, 16),
        )
        for number, pane in enumerate(self._panes):
            row, column = divmod(number, columns)
            pane.place(left + column * (self._size[0] + gap), top + row * (self._size[1] + gap), *self._size, metrics)

    def show(self, lane: int, picture: ShownPicture) -> None:
        """Put the picture of a lane on the screen. It is stretched while its size is still that of an older layout."""
        self._panes[lane].show(picture)

    def update(self, frame: Frame) -> None:
        """Show what is known about the frame's moment, and follow the mouse."""
        self._overlays = frame.focus.overlays
        for name, toggle in self._toggles.items():
            on = bool(getattr(frame.focus.overlays, name))
            if dpg.get_value(toggle) != on:
                dpg.set_value(toggle, on)
        label = next((text for text, camera in self._choices.items() if camera == frame.focus.camera), "free")
        if dpg.get_value(self._camera) != label:
            dpg.set_value(self._camera, label)
        wheel, self._wheel = self._wheel, 0.0
        for pane, lane in zip(self._panes, frame.lanes, strict=True):
            pane.update(lane, wheel)


def tiles(count: int, width: int, height: int) -> tuple[int, int]:
    """Columns and rows that show so many pictures best in a rectangle.

    Args:
        count: How many, at least 1.
        width: Of the rectangle. [px]
        height: Of the rectangle. [px]
    """

    def seen(columns: int) -> float:
        rows = -(-count // columns)
        return min(height / rows, width / columns / _ASPECT)

    columns = max(range(1, count + 1), key=seen)
    return columns, -(-count // columns)
