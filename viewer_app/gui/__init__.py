"""The window: the same engine as headless, on a thread of its own, behind Dear PyGui."""

from __future__ import annotations

import os
import subprocess
import sys

import dearpygui.dearpygui as dpg

from viewer_app.gui.contracts import Complain, Files, LaneStart, LoadProgress, OnFrame, PolicyLoading, Session

__all__ = ["Complain", "Files", "LaneStart", "LoadProgress", "PolicyLoading", "Session", "run"]


def run(
    session: Session,
    files: Files,
    *,
    title: str = "Whiskers",
    width: int = 1280,
    height: int = 720,
    on_frame: OnFrame = lambda seconds, frame: True,
) -> None:
    """Open the window and return when it is closed. Call it on the main thread. What goes wrong is said in the window.

    The window is shown at once: the scene at its start pose, and a card with the progress while the policy loads.

    Args:
        session: What to show. Its engine is opened, ticked and closed on the engine thread.
        files: Where the window reads from and writes to.
        title: Of the window.
        width: [px]
        height: [px]
        on_frame: Told how long each frame took [s], waiting aside, and what it showed; False closes the window.
    """
    scale = text_scale()
    # X11's window managers move a window that would lie under their bars; elsewhere nobody does.
    corner = 0 if sys.platform.startswith("linux") else 60
    dpg.create_context()
    # A thread that computes hands over to the window within a fifth of Python's usual wait.
    patience = sys.getswitchinterval()
    sys.setswitchinterval(0.001)
    try:
        # Callbacks then run on this thread, between frames, and not whenever Dear PyGui likes.
        dpg.configure_app(manual_callback_management=True)
        dpg.create_viewport(
            title=title,
            width=round(width * scale),
            height=round(height * scale),
            x_pos=corner,
            y_pos=corner,
            min_width=900,
            min_height=560,
            vsync=True,
        )
        dpg.setup_dearpygui()
        dpg.show_viewport()
        # After the window is on the screen: with the renderer it brings OpenGL and OpenCV, a quarter of a second.
        from viewer_app.gui.window import Window

        Window(files, scale).run(session, on_frame)
    finally:
        sys.setswitchinterval(patience)
        dpg.destroy_context()


def text_scale() -> float:
    """How large text must be on this monitor, 1 for 96 dots an inch; WHISKERS_SCALE overrides what the system says."""
    wish = os.environ.get("WHISKERS_SCALE", "")
    try:
        scale = float(wish) if wish else _dots_per_inch() / 96.0
    except ValueError:
        scale = 1.0
    return min(max(scale, 0.75), 3.0)


def _dots_per_inch() -> float:
    """What the desktop says, 96 where it says nothing."""
    if sys.platform == "win32":
        import ctypes

        ctypes.windll.user32.SetProcessDPIAware()
        return float(ctypes.windll.user32.GetDpiForSystem())
    if sys.platform.startswith("linux"):
        try:
            said = subprocess.run(["xrdb", "-get", "Xft.dpi"], capture_output=True, text=True, timeout=0.5, check=False)
            return float(said.stdout.strip() or 96.0)
        except (OSError, subprocess.TimeoutExpired):
            return 96.0
    # macOS scales the window itself.
    return 96.0
