"""What the commands have in common in a terminal: what is said there, progress bars, and where files go by default."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from viewer_app.types import Policy, WhiskersError

if TYPE_CHECKING:
    from tqdm import tqdm

    from policies.progress import Progress


def say(sentence: str) -> None:
    """Tell the person something that is no result, on stderr."""
    print(f"whiskers: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 (here the program speaks)


def tell(text: str) -> None:
    """Put a result on stdout."""
    print(text, flush=True)  # noqa: T201 (here the program speaks)


def load_policy(source: str, device: str = "cpu", statistics: str = "") -> Policy:
    """Load a policy, with the progress on stderr. Arguments as of `policies.load.load`."""
    from tqdm import tqdm

    from policies.load import load

    # disable=None: no bar where nobody watches.
    with tqdm(total=1.0, bar_format="{desc}: {percentage:.0f}% [{elapsed}]", leave=False, disable=None) as bar:

        def report(progress: Progress) -> None:
            bar.set_description(progress.text, refresh=False)
            bar.n = progress.fraction
            bar.refresh()

        return load(source, report, device, statistics=statistics)


@dataclass(frozen=True)
class BatchBar:
    """A bar on stderr that says how many of a batch are done, and how long the rest will take."""

    bar: tqdm[None]

    def advance(self, **figures: int | str) -> None:
        """One more is done; show these figures beside the bar."""
        self.bar.set_postfix(figures, refresh=False)
        self.bar.update()

    def reach(self, done: int) -> None:
        """So many are done."""
        self.bar.update(done - self.bar.n)

    def complain(self, sentence: str) -> None:
        """Say something above the bar. From any thread."""
        self.bar.write(f"whiskers: {sentence}", file=sys.stderr)


@contextmanager
def batch_bar(total: int, unit: str) -> Iterator[BatchBar]:
    """
    Args:
        total: How many there are to do.
        unit: What one of them is called.
    """
    from tqdm import tqdm

    # A log file gets a line now and then, a terminal a bar that moves.
    with tqdm(total=total, unit=unit, mininterval=0.2 if sys.stderr.isatty() else 30) as bar:
        yield BatchBar(bar)


@contextmanager
def progress_bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr for something that tells how far it is: call what is given with what is done and what there is.

    It appears with the first call: what is refused before it began is told in one line.

    Args:
        unit: What is counted.
    """
    begun: list[BatchBar] = []
    with ExitStack() as stack:

        def report(done: int, total: int) -> None:
            if not begun:
                begun.append(stack.enter_context(batch_bar(total, unit)))
            begun[0].reach(done)

        yield report


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """What is given says whether Ctrl-C was pressed, for what ends in good order; pressed again, it ends at once."""
    pressed = False

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def write_summary(out: Path, plain: Mapping[str, object]) -> str:
    """Write summary.json. Returns what is in it.

    Raises:
        WhiskersError: If it cannot be written.
    """
    text = json.dumps(plain, indent=1)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "summary.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise WhiskersError(f"{out / 'summary.json'} cannot be written ({error.strerror}).") from None
    return text


def has_display() -> bool:
    """Whether a window can be opened. macOS and Windows always have their display.

    On Linux the X server is tried: Dear PyGui's GLFW ends the process where DISPLAY names one that does not answer.
    """
    if not sys.platform.startswith("linux"):
        return True
    if not os.environ.get("DISPLAY"):
        return False
    import ctypes

    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return False
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    if not display:
        return False
    x11.XCloseDisplay(ctypes.c_void_p(display))
    return True


def new_folder(base: Path) -> Path:
    """A folder beside `base` that is not there yet: `base`-<date>-<time>."""
    return base.with_name(f"{base.name}-{time.strftime('%Y%m%d-%H%M%S')}")
