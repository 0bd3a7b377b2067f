"""The policy: what is loaded, how its chunks become actions, how long it thinks, where the coming actions are from."""

from __future__ import annotations

import time

import dearpygui.dearpygui as dpg

from panels.actions import Action, Send
from panels.canvas import Canvas, paint
from panels.execution import ExecutionControls
from panels.queue_strip import Queue, paint_queue, queue_at
from panels.reach import ReachStrip
from panels.style import ACCENT, BAD, DIM, GOOD, PLOT_GROUND, TEXT, Metrics, Tag, heading, hint, rgb
from panels.writing import reveal, write_value
from viewer_app.commands import ResetEpisode, ResetPolicy, SetPrompt, SetResetAtStart
from viewer_app.mends import Mends
from viewer_app.types import PolicyInfo
from viewer_app.view import Frame, LaneView, Seek

_HUES = tuple(rgb(code) for code in ("52cc66", "5aa9e6", "d9a441", "b58cf0", "4fc4bd", "e07f6a"))
_PAST, _CELLS = 12, 60
_SLOW = 1.0
"""A policy call that takes longer gets a Cancel button. [s]"""


class PolicyPanel:
    """All about the policy of the lane in focus."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._facts_shown: tuple[PolicyInfo | None, PolicyInfo | None] | None = None
        self._drawn: tuple[object, ...] = ()
        self._dt = 1.0
        self._seed_shown: int | None = None
        self._prompt_shown: str | None = None
        self._execution = ExecutionControls(send)
        self._reach = ReachStrip(send)
        self._shown_queue: Queue | None = None

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        """While one of these is active, keys belong to it."""
        return (self._seed, self._prompt, *self._execution.text_fields)

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent)
        with dpg.group(parent=self.window):
            heading("Policy")
            self._name = dpg.add_text("", wrap=0)
            self._facts = dpg.add_text("", color=DIM, wrap=0)
            self._weights = dpg.add_text("")
            hint("Tensors of the weight file that were compared with the model after loading, and found equal")
        # Controls need a policy that runs; the queue is read off the trace, recorded ones included.
        with dpg.group(parent=self.window) as self._executing:
            dpg.add_separator()
            self._execution.build()
        with dpg.group(parent=self.window) as self._coming:
            self._build_queue()
            self._reach.build()
        with dpg.group(parent=self.window) as self._driving:
            self._build_latency()
            self._build_episode()

    def _build_queue(self) -> None:
        dpg.add_text("coming actions", color=DIM)
        hint(
            "Each cell an action, each colour a chunk: before the line executed, after it to come,\n"
            "faint where the chunk is dropped before it gets there. Two colours in one cell: blended,\n"
            "each as high as its share. Click a colour to look at the step that predicted it"
        )
        with dpg.group() as holder:
            self._queue = dpg.add_drawlist(100, 18)
        self._canvas = Canvas(self._queue)
        with dpg.tooltip(holder):
            self._queue_tip = dpg.add_text("")
        self._queue_words = dpg.add_text("", color=DIM, wrap=0)

    def _build_latency(self) -> None:
        dpg.add_separator()
        self._latency = dpg.add_text("", color=DIM, wrap=0)
        hint("Duration of the policy calls: the last, the median, and the 95th percentile")
        with dpg.group(horizontal=True):
            self._thinking = dpg.add_text("", color=ACCENT)
            self._cancel = dpg.add_button(label="Cancel", show=False, callback=lambda: self._send(Action.CANCEL))

    def _build_episode(self) -> None:
        dpg.add_separator()
        dpg.add_button(label="Reset policy now", width=-1, callback=lambda: self._send(ResetPolicy()))
        hint("Forget all chunks: the next step asks for a new one")
        self._at_start = dpg.add_checkbox(
            label="reset policy at episode start",
            default_value=True,
            callback=lambda _, on: self._send(SetResetAtStart(bool(on))),
        )
        hint("Off: the chunk of the last episode goes on into the next one")
        with dpg.group(horizontal=True):
            dpg.add_text("seed", color=DIM)
            self._seed = dpg.add_input_int(
                width=70,
                step=0,
                min_value=0,
                min_clamped=True,
                on_enter=True,
                callback=lambda _, seed: self._send(ResetEpisode(int(seed))),
            )
            hint("Of the episode's start and of the policy's random numbers. Enter begins that episode")
            dpg.add_button(label="Reset", callback=lambda: self._send(ResetEpisode(int(dpg.get_value(self._seed)))))
            hint("Begin an episode with this seed; the old one is kept   Backspace")
            dpg.add_button(label="+1", callback=lambda: self._send(ResetEpisode(int(dpg.get_value(self._seed)) + 1)))
            hint("Begin an episode with the next seed")
        with dpg.group() as self._prompt_group:
            dpg.add_text("prompt", color=DIM)
            self._prompt = dpg.add_input_text(
                width=-1, on_enter=True, callback=lambda _, text: self._send(SetPrompt(str(text)))
            )
            hint("What the policy is told to do. Enter applies")

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        inner = width - 2 * px(8)
        for item in (self._name, self._facts, self._queue_words, self._latency):
            dpg.configure_item(item, wrap=inner)
        dpg.configure_item(self._queue, width=inner, height=px(16))
        self._execution.place(inner, metrics)
        self._reach.place(inner, metrics)
        dpg.configure_item(self._seed, width=px(70))
        self._canvas.resize(inner, px(16))
        self._drawn = ()

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        self._dt = frame.view.scene.control_dt
        loaded = frame.lane.policy
        info = loaded if loaded is not None and (frame.at_head or frame.trace.policy is None) else frame.trace.policy
        facts = (info, loaded)
        # By identity: two lanes may have equal policies.
        if self._facts_shown is None or any(a is not b for a, b in zip(facts, self._facts_shown, strict=True)):
            self._facts_shown = facts
            self._show_facts(info, loaded)
        if info is not None:
            self._show_queue(frame)
            self._point_at_queue()
            self._reach.update(frame)
        if loaded is not None:
            self._execution.update(frame.lane.settings)
            self._show_latency(frame.lane)
            self._show_episode(frame)

    def _show_facts(self, info: PolicyInfo | None, loaded: PolicyInfo | None) -> None:
        """Write what does not change while one policy is looked at.

        Args:
            info: Of the policy that made the trace, or is to make it.
            loaded: Of the policy that drives the lane, None where the trace is only looked at.
        """
        for group, show in ((self._executing, loaded), (self._coming, info), (self._driving, loaded)):
            dpg.configure_item(group, show=show is not None)
        if info is None:
            dpg.set_value(self._name, "No policy loaded")
            dpg.set_value(self._facts, "Ctrl+O opens a checkpoint.")
            dpg.set_value(self._weights, "")
            return
        dpg.set_value(self._name, info.name if loaded is not None else f"{info.name} (recorded)")
        count = info.n_parameters
        size = f"{count / 1e6:.1f} M parameters" if count >= 1e5 else f"{count} parameters"
        kind = info.kind if info.deterministic else f"{info.kind}, samples"
        kind += ", relative actions" * info.relative_actions
        span = f"chunk_size {info.chunk_size} = {info.chunk_size * self._dt:.2f} s"
        mends = Mends.from_plain(info.mended).words()
        dpg.set_value(self._facts, f"{kind}   {size}   {info.device}\n{span}" + (f"\nmended: {mends}" if mends else ""))
        complete = info.tensors_verified == info.tensors_in_file and info.tensors_in_file > 0
        # A motion that was played back has none to verify.
        words = f"weights verified {info.tensors_verified}/{info.tensors_in_file}" if info.tensors_in_file else ""
        dpg.set_value(self._weights, words)
        dpg.configure_item(self._weights, color=GOOD if complete else BAD)
        if loaded is not None:
            dpg.configure_item(self._prompt_group, show=loaded.uses_task)
            self._execution.offer(loaded, self._dt)

    def _show_queue(self, frame: Frame) -> None:
        key = (id(frame.trace), frame.length, frame.step, frame.lane.settings, len(frame.trace.events))
        if key == self._drawn:
            return
        self._drawn = key
        self._shown_queue = queue = queue_at(frame.trace, frame.length, frame.step, _PAST, _CELLS)
        paint_queue(queue, self._canvas.pixels, [paint(hue) for hue in _HUES], paint(PLOT_GROUND), paint(TEXT))
        self._canvas.show()
        write_value(self._queue_words, queue.words)

    def _point_at_queue(self) -> None:
        """Tell what is under the mouse, and go to the step that predicted it on a click."""
        if self._shown_queue is None or not dpg.is_item_hovered(self._queue):
            return
        left, top = dpg.get_item_rect_min(self._queue)
        mouse_x, mouse_y = dpg.get_mouse_pos(local=False)
        height, width, _ = self._canvas.pixels.shape
        x, y = (mouse_x - left) / width, (mouse_y - top) / height
        write_value(self._queue_tip, self._shown_queue.words_at(x, y))
        chunk = self._shown_queue.chunk_at(x, y)
        if chunk is not None and chunk.start >= 0 and dpg.is_mouse_button_clicked(dpg.mvMouseButton_Left):
            self._send(Seek(chunk.start))

    def _show_latency(self, lane: LaneView) -> None:
        latency = lane.latency
        last, median, p95 = (round(1e3 * seconds) for seconds in (latency.last, latency.median, latency.p95))
        # Always two lines, so that what stands below does not jump.
        words = (
            f"latency {last} ms   ({latency.count} call{'s' * (latency.count != 1)})\nmedian {median} ms   p95 {p95} ms"
        )
        write_value(self._latency, words if latency.count else "latency\nno policy call yet")
        since = lane.thinking_since
        elapsed = 0.0 if since is None else time.monotonic() - since
        write_value(self._thinking, f"asking the policy, {elapsed:.1f} s" if elapsed > 0.25 else "")
        reveal(self._cancel, elapsed > _SLOW)

    def _show_episode(self, frame: Frame) -> None:
        settings = frame.lane.settings
        write_value(self._at_start, settings.reset_at_start)
        seed = frame.lane.now.trace.seed
        if seed != self._seed_shown and not dpg.is_item_active(self._seed):
            self._seed_shown = seed
            dpg.set_value(self._seed, seed)
        if settings.prompt != self._prompt_shown and not dpg.is_item_active(self._prompt):
            self._prompt_shown = settings.prompt
            dpg.set_value(self._prompt, settings.prompt)
