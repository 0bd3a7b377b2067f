"""The thread that draws previews: the picture of one moment, exactly as it will be exported."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from types import TracebackType

import cv2
import numpy as np

from viewer_app.export import Plan
from viewer_app.exporting.order_plan import clip_of, complaint_about, plan_of
from viewer_app.gui.export_contract import PreviewWish
from viewer_app.gui.worker import Worker
from viewer_app.strips import named_strips
from viewer_app.tiling import Composer, Moment
from viewer_app.types import ImageArray, WhiskersError
from viewer_app.video_order import Estimate, Preview, VideoOrder


class _Easel:
    """Keeps what draws a layout until another one is asked for."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._composer: Composer | None = None
        self._holding = ExitStack()

    def __enter__(self) -> _Easel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._holding.close()

    def composer(self, plan: Plan) -> Composer:
        key = (plan.scene, plan.layout, plan.strips)
        if key != self._key or self._composer is None:
            self._holding.close()
            strips = named_strips(plan.scene, plan.strips)
            self._composer = self._holding.enter_context(Composer(plan.scene, plan.layout, strips))
            self._key = key
        return self._composer


class PreviewThread(Worker[PreviewWish, _Easel]):
    """Says of the latest order how large and how long it is, then draws it."""

    def __init__(self) -> None:
        super().__init__("preview", 13, "No preview can be drawn")
        self._sight: tuple[object, ...] = ()  # what the picture shows
        self.preview: Preview | None = None
        """The latest."""

    def _open(self) -> AbstractContextManager[_Easel]:
        return _Easel()

    def _work(self, tool: _Easel, wish: PreviewWish) -> None:
        before = self.preview.image if self.preview is not None else None
        try:
            plan = plan_of(wish.order, wish.view)
            plan.check()
        except WhiskersError as error:
            self.preview = Preview(Estimate(wish.order, str(error)), before, late=True)
            return
        estimate, moments = _estimate(wish.order, plan), _moments(wish)
        sight = (plan.layout, plan.strips, moments, wish.room)
        if sight == self._sight:
            self.preview = Preview(estimate, before)
            return
        self.preview = Preview(estimate, before, late=True)
        if self.hurried:
            return
        try:
            picture = tool.composer(plan).compose(moments)
        except Exception as error:  # The export would fail like this: it is said, and another order may do better.
            words = " ".join(str(error).split())[:300]
            self.preview = Preview(replace(estimate, complaint=f"This cannot be drawn ({words})."), before, late=True)
            return
        self._sight = sight
        self.preview = Preview(estimate, fit_into(picture, *wish.room))


def _estimate(order: VideoOrder, plan: Plan) -> Estimate:
    complaint = complaint_about(order.path, plan.rate)
    taken = not complaint and order.path.exists() and not _is_empty_folder(order)
    if taken and not order.force:
        complaint = f"{order.path.name} exists already; overwrite it, or choose another name."
    width, height = plan.size
    return Estimate(order, complaint, taken, plan.frames, width, height, plan.rate)


def _is_empty_folder(order: VideoOrder) -> bool:
    return order.path.is_dir() and not any(order.path.iterdir())


def _moments(wish: PreviewWish) -> tuple[Moment, ...]:
    """The step looked at, in the trace looked at where the order has it."""
    names = wish.order.traces
    clip = clip_of(wish.order, wish.view, wish.trace if wish.trace in names else names[0])
    return tuple(
        Moment(take.trace, take.length, min(wish.clock, take.length), take.answers, clip.note) for take in clip.lanes
    )


def fit_into(image: ImageArray, width: int, height: int) -> ImageArray:
    """A picture made smaller, where it must be, to fit. The result has memory of its own.

    Args:
        image: Shape (h, w, 3).
        width, height: Of the room. [px]
    """
    scale = min(width / image.shape[1], height / image.shape[0], 1.0)
    if scale == 1.0:
        return image.copy()
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
