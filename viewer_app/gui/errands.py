"""What is done beside the window and ends in a sentence: writing figures takes a second, and nobody should wait."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from viewer_app.types import WhiskersError


class Errands:
    """Runs errands one after another on a thread of their own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="errand")
        self._running: list[Future[str]] = []

    def run(self, errand: Callable[[], str]) -> None:
        """Begin an errand, which returns the sentence to show."""
        self._running.append(self._pool.submit(errand))

    def finished(self) -> list[tuple[str, bool]]:
        """Sentences of the errands that ended since the last call, and whether each is a complaint. Never waits."""
        done = [each for each in self._running if each.done()]
        self._running = [each for each in self._running if each not in done]
        return [_outcome(each) for each in done]

    def close(self) -> None:
        """Let the errand in progress end; those that have not begun are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _outcome(errand: Future[str]) -> tuple[str, bool]:
    try:
        return errand.result(), False
    except WhiskersError as error:
        return str(error), True
    except OSError as error:
        return f"That could not be written or read: {error.strerror or error}.", True
    except Exception as error:  # The session is worth more than one figure.
        return f"That failed with {type(error).__name__}: {' '.join(str(error).split())[:300]}", True
