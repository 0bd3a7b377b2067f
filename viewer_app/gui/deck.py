"""All panels of one session: built together, placed by the layout, updated from one frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import dearpygui.dearpygui as dpg

from panels.actions import OpenPath, Send, Settle, Tab, Transport
from panels.bookmarks import BookmarksCard
from panels.camera_map import CameraMapDialog
from panels.cameras import CamerasPanel
from panels.chunk import ChunkPanel
from panels.compare import ComparePanel
from panels.denoising import DenoisingPanel
from panels.doctor import DoctorPanel, badge_of
from panels.export_dialog import ExportDialog
from panels.export_strip import ExportStrip
from panels.findings import FindingsPanel
from panels.help import HelpPanel
from panels.inputs import InputsPanel
from panels.joints import JointsPanel
from panels.loading import LoadingPanel
from panels.messages import MessagesPanel
from panels.motion import MotionPanel
from panels.objects import ObjectsPanel
from panels.offer import OfferCard
from panels.open_dialog import OpenDialog
from panels.palette import PalettePanel
from panels.pane import ChunkAt, Hand, Pick
from panels.policy import PolicyPanel
from panels.range_table import RangeBanner
from panels.recording_light import RecordingLight
from panels.style import Metrics, Tag
from panels.tabs import TabStrip
from panels.timeline import TimelinePanel
from panels.viewport import ViewportPanel
from viewer_app.camera_names import suggest
from viewer_app.doctor.checkup import Checkup
from viewer_app.gui.layout import Rect, arrange
from viewer_app.movable import pushable_bodies
from viewer_app.overlays import (
    AXES,
    DENOISED,
    ENSEMBLE,
    GHOST,
    INPUTS,
    LANES,
    MEMBER,
    OPEN,
    PATH,
    PHYSICS,
    PUSH,
    SAMPLE,
    TARGET,
    WHISKER,
)
from viewer_app.placing import objects_of, other_joints
from viewer_app.scene import Scene
from viewer_app.strips import STRIPS
from viewer_app.types import ImageArray, PolicyInfo
from viewer_app.view import Frame

_SWATCHES = {
    "whisker": WHISKER,
    "physics": PHYSICS,
    "ghosts": GHOST,
    "path": PATH,
    "members": MEMBER,
    "ensemble": ENSEMBLE,
    "samples": SAMPLE,
    "inputs": INPUTS[0],
    "denoising": DENOISED,
    "guidance": GHOST,
    "shadow": LANES[1],
    "ticks": AXES[2],
    "gripper": OPEN,
    "target": TARGET,
    "pushes": PUSH,
}
"""Field of `OverlayChoice` to the colour that stands for it."""


class _Panel(Protocol):
    """What the deck needs of a panel that stands in a rectangle."""

    window: Tag

    def build(self, parent: Tag) -> None: ...

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None: ...


class _Card(Protocol):
    """What the deck needs of a card that lies over the window."""

    @property
    def shown(self) -> bool: ...

    def build(self) -> None: ...


class _Tabbed(_Panel, Protocol):
    """A panel behind a tab."""

    def update(self, frame: Frame) -> None: ...


class Deck:
    """The panels and the window that holds them."""

    def __init__(self, send: Send, scene: Scene, lanes: Sequence[tuple[Pick, ChunkAt, Hand]]) -> None:
        """
        Args:
            send: Takes what the panels ask for.
            scene: What is shown.
            lanes: For each lane: finds the world point under a pixel of its picture, and the chunk whose whisker is
                there; takes hold of bodies.
        """
        self._scene = scene
        self._size = (0, 0)
        self._metrics = Metrics(1.0)
        self._sides = True
        colours = [LANES[lane % len(LANES)] for lane in range(len(lanes))]
        looks = [(*look, colour) for look, colour in zip(lanes, colours, strict=True)]
        self.viewport = ViewportPanel(send, scene, _SWATCHES, looks)
        self.timeline = TimelinePanel(send)
        self.policy = PolicyPanel(send)
        self.cameras = CamerasPanel(send, scene)
        self.joints = JointsPanel(send, scene, LANES)
        self.chunk = ChunkPanel(send, scene, _SWATCHES)
        self.inputs = InputsPanel(send, scene, INPUTS)
        self.motion = MotionPanel(send, scene)
        self.findings = FindingsPanel(send, scene)
        self.denoising = DenoisingPanel(send, scene, _SWATCHES)
        self.compare = ComparePanel(send, scene, LANES)
        self.doctor = DoctorPanel(send)
        self.objects = ObjectsPanel(send, scene, objects_of(scene), other_joints(scene), pushable_bodies(scene.model))
        self.tabs = TabStrip(send, scene)
        self._tab = Tab.JOINTS
        self._tabbed: dict[Tab, _Tabbed] = {
            Tab.JOINTS: self.joints,
            Tab.CHUNK: self.chunk,
            Tab.INPUTS: self.inputs,
            Tab.MOTION: self.motion,
            Tab.FINDINGS: self.findings,
            Tab.DENOISING: self.denoising,
            Tab.COMPARE: self.compare,
            Tab.OBJECTS: self.objects,
            Tab.DOCTOR: self.doctor,
        }
        self.messages = MessagesPanel()
        self.loading = LoadingPanel(send)
        self.help = HelpPanel()
        self.palette = PalettePanel(send)
        self.open_dialog = OpenDialog(send)
        self.camera_map = CameraMapDialog(send)
        self.bookmarks = BookmarksCard(send)
        self.offer = OfferCard(send)
        self.export_dialog = ExportDialog(send, scene, tuple(STRIPS))
        self.export_strip = ExportStrip(send)
        self.recording_light = RecordingLight()
        self.ranges = RangeBanner()
        self._cards: tuple[_Card, ...] = (
            self.help,
            self.palette,
            self.open_dialog,
            self.camera_map,
            self.bookmarks,
            self.export_dialog,
            self.offer,
        )
        # Not Dear PyGui's primary window, which would bring a scroll bar back.
        self.window: Tag = dpg.add_window(
            pos=(0, 0),
            no_title_bar=True,
            no_resize=True,
            no_move=True,
            no_scrollbar=True,
            no_scroll_with_mouse=True,
            no_bring_to_front_on_focus=True,
            no_background=True,
        )
        always: tuple[_Panel, ...] = (self.viewport, self.timeline, self.messages)
        for panel in (*always, self.policy, self.cameras, self.tabs, *self._tabbed.values()):
            panel.build(self.window)
        for card in (self.loading, self.ranges, self.export_strip, self.recording_light, *self._cards):
            card.build()

    def place(self, width: int, height: int, metrics: Metrics, sides: bool) -> None:
        """Lay all panels out in a window of this size [px], if anything changed."""
        if (width, height) == self._size and metrics == self._metrics and sides == self._sides:
            return
        self._size, self._metrics, self._sides = (width, height), metrics, sides
        cameras = list(self._scene.spec.cameras.values())
        aspect = max((camera.width / camera.height for camera in cameras), default=4 / 3)
        dpg.configure_item(self.window, width=width, height=height)
        layout = arrange(width, height, metrics, sides, aspect, len(cameras), self.tabs.width(metrics))
        places: tuple[tuple[_Panel, Rect | None], ...] = (
            (self.viewport, layout.viewport),
            (self.timeline, layout.timeline),
            (self.messages, layout.bar),
            (self.policy, layout.policy),
            (self.cameras, layout.cameras),
            (self.tabs, layout.tabs),
            *((panel, layout.tabbed) for panel in self._tabbed.values()),
        )
        hidden = [panel for tab, panel in self._tabbed.items() if tab is not self._tab]
        for panel, rect in places:
            dpg.configure_item(panel.window, show=rect is not None and panel not in hidden)
            if rect is not None:
                panel.place(rect.x, rect.y, rect.width, rect.height, metrics)
        self.loading.place(*_flat(layout.viewport), metrics)
        self.ranges.place(layout.viewport.x, layout.viewport.y + metrics.px(34), layout.viewport.width, metrics)
        self.messages.place_toast(*_flat(layout.viewport))
        self.export_strip.place(*_flat(layout.viewport), metrics)
        self.recording_light.place(
            layout.viewport.x, layout.viewport.y + metrics.px(34), layout.viewport.width, metrics
        )

    def update(self, frame: Frame, transport: Transport) -> None:
        """Show a frame."""
        self._offer_tabs(frame)
        self.viewport.update(frame)
        self.timeline.update(frame, transport)
        self.ranges.update(frame)
        if self._sides:
            self.policy.update(frame)
            self.cameras.update(frame)
            self._tabbed[self._tab].update(frame)
        self.palette.update()
        self.bookmarks.update(frame)
        self.messages.update()

    def show_checkup(self, checkup: Checkup | None) -> None:
        """Show what the doctor has found about the checkpoint of the lane looked at."""
        self.doctor.show(checkup)
        self.tabs.badge(Tab.DOCTOR, *badge_of(checkup))

    def _offer_tabs(self, frame: Frame) -> None:
        """Hide the tab that has nothing to show where the policy does not denoise."""
        info = frame.trace.policy or frame.lane.policy
        denoises = info is not None and info.denoising_steps > 0
        if denoises or self._tab is not Tab.DENOISING:
            self.tabs.offer(Tab.DENOISING, denoises)

    def show_tab(self, tab: Tab) -> None:
        """Show another tab."""
        self._tab = tab
        self.tabs.show(tab)
        for each, panel in self._tabbed.items():
            dpg.configure_item(panel.window, show=self._sides and each is tab)

    def wheel(self, clicks: float) -> None:
        """Tell the panels how far the mouse wheel was turned."""
        self.viewport.wheel(clicks)
        if self._tab is Tab.JOINTS:
            self.joints.wheel(clicks)

    @property
    def typing(self) -> bool:
        """Whether the keys belong to a text field."""
        panels = (self.chunk, self.inputs, self.findings, self.denoising, self.compare, self.objects)
        holders = (self.policy, self.palette, self.open_dialog, self.bookmarks, self.export_dialog, *panels)
        fields = [field for each in holders for field in each.text_fields]
        return any(dpg.is_item_active(field) for field in fields)

    @property
    def covered(self) -> bool:
        """Whether a card lies over the window."""
        return any(card.shown for card in self._cards)

    def uncover(self) -> None:
        """Close the cards."""
        self.palette.close()
        self.open_dialog.close()
        self.camera_map.cancel()
        self.bookmarks.close()
        self.export_dialog.close()
        self.offer.cancel()
        self.help.show(False, *self._size, self._metrics)

    def show_help(self, on: bool) -> None:
        self.help.show(on, *self._size, self._metrics)

    def open_palette(self) -> None:
        self.palette.open(*self._size, self._metrics)

    def open_open_dialog(self, recent: Sequence[str]) -> None:
        self.open_dialog.open(*self._size, self._metrics, recent)

    def open_export_dialog(self, frame: Frame, path: Path) -> None:
        self.export_dialog.open(frame, path, *self._size, self._metrics)

    def open_bookmarks(self, frame: Frame) -> None:
        self.bookmarks.open(frame, *self._size, self._metrics)

    def offer_recovery(self, recording: Path) -> None:
        """Offer what is left of a session that ended without being closed."""
        text = f"{recording} holds it up to its last second. Open it? It stays on the disk either way."
        self.offer.open(
            "The last session did not end properly",
            text,
            ("Open it", OpenPath(str(recording))),
            ("Not now", Settle(str(recording))),
            *self._size,
            self._metrics,
        )

    def open_camera_map(self, info: PolicyInfo, pictures: Mapping[str, ImageArray]) -> None:
        suggestion = suggest(info.cameras, self._scene.spec.cameras)
        self.camera_map.open(info, self._scene, suggestion, pictures, *self._size, self._metrics)

    def close(self) -> None:
        """Take all widgets away, the menus and bubbles that float by themselves too."""
        for window in dpg.get_windows():
            dpg.delete_item(window)


def _flat(rect: Rect) -> tuple[int, int, int, int]:
    return rect.x, rect.y, rect.width, rect.height
