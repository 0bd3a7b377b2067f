"""A closed room for code that loads a checkpoint in its own way: nothing is downloaded, and no code that a checkpoint
or a repository brings along is run, whatever LeRobot's classes ask of transformers.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from unittest.mock import patch

from huggingface_hub import constants
from transformers import dynamic_module_utils


class BroughtCodeError(RuntimeError):
    """Something that was to be loaded asked for code of its own to be run."""


@contextmanager
def closed_room() -> Iterator[None]:
    """While in force, the hub is what is in its local cache, no brought code is run, and what is printed or logged is
    not heard.

    Raises:
        BroughtCodeError: Where such code was asked for.
    """
    silenced = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            patch.object(constants, "HF_HUB_OFFLINE", True),
            # All of transformers' ways to code that is not its own lead through this one.
            patch.object(dynamic_module_utils, "get_cached_module_file", _refuse),
            redirect_stdout(io.StringIO()),
        ):
            yield
    finally:
        logging.disable(silenced)


def _refuse(repository: object, module: object, *args: object, **kwargs: object) -> str:
    raise BroughtCodeError(f"{repository} asks for its {module} to be run")
