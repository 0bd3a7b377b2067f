"""Checkpoints of LeRobot before 0.4, which kept the statistics of normalisation among the weights and had no processor
files.

The name of a feature has its dots replaced there (`buffer_observation_images_top_cam`), so which underscores were dots
is told by the features that the configuration lists. LeRobot's own conversion takes them all for dots, and leaves such
a camera without statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

OLD_NORMALISATION = ("normalize_inputs.", "normalize_targets.", "unnormalize_outputs.")
"""How the names of such tensors begin."""
STILL_MADE = ("act", "diffusion", "vqbet", "tdmpc")
"""Policy types whose processors are nothing but what the configuration and the statistics say."""
_BUFFER = "buffer_"
_IN_FORCE = ("normalize_inputs", "unnormalize_outputs")
"""What LeRobot used when it ran a policy; `normalize_targets` was for training, and has the same values."""


class OldFormatError(Exception):
    """The statistics cannot be taken over. The message says why, and how to mend it."""


def read_statistics(
    path: Path, names: Sequence[str], config: Mapping[str, object]
) -> Mapping[str, Mapping[str, NDArray[np.float32]]]:
    """The statistics of each feature, as LeRobot's processors take them.

    Args:
        path: The weight file.
        names: Its tensors whose names begin with `OLD_NORMALISATION`.
        config: The checkpoint's configuration, whose features these are.

    Returns:
        Feature to statistic (`mean`, `std`, `min`, `max`) to value, in the shape that the file has.

    Raises:
        OldFormatError: If a tensor belongs to no feature, or to more than one.
    """
    listed = [config.get(field) for field in ("input_features", "output_features")]
    features = [key for each in listed if isinstance(each, dict) for key in each]
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for name in names:
                place, _, rest = name.partition(".")
                buffer, _, statistic = rest.rpartition(".")
                feature = _feature(name, buffer, features)
                if place in _IN_FORCE:
                    found.setdefault(feature, {})[statistic] = file.get_tensor(name).astype(np.float32)
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise OldFormatError(
            f"its statistics cannot be read ({' '.join(str(error).split())}); copy it again."
        ) from None
    return MappingProxyType({feature: MappingProxyType(values) for feature, values in found.items()})


def _feature(name: str, buffer: str, features: Sequence[str]) -> str:
    """The one feature that a buffer is of."""
    meant = [feature for feature in features if _BUFFER + feature.replace(".", "_") == buffer]
    if len(meant) != 1:
        of = " and ".join(meant) if meant else "none of its features"
        raise OldFormatError(
            f"tensor {name} holds statistics of {of}, by LeRobot's naming before 0.4; use the config.json of the same "
            "training run."
        )
    return meant[0]
