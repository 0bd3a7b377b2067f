"""so101-nexus keeps most of its options in an object of Python's, which the name of an environment cannot hold.

Options that are fields of that object are put into one.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any, get_args, get_type_hints


def with_config(entry_point: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as an environment of so101-nexus takes them.

    Args:
        entry_point: Where its class is, `MODULE:CLASS`.
        options: Those of the class, and any of its configuration's. With `obs_mode` visual, the environment is to
            observe through the wrist camera and from above.
    """
    maker = _maker(entry_point)
    own = inspect.signature(maker).parameters
    inner = {key: value for key, value in options.items() if key not in own}
    if not inner:
        return dict(options)
    kind = _config(maker)
    visual = inner.pop("obs_mode", "state") == "visual"
    config = kind(**inner)
    if visual:
        seen = import_module("so101_nexus.observations")
        cameras = [seen.WristCamera(), seen.OverheadCamera()]
        config = kind(**inner, obs_mode="visual", observations=[*(config.observations or ()), *cameras])
    return {**{key: value for key, value in options.items() if key in own}, "config": config}


def option_names(entry_point: str) -> tuple[str, ...]:
    """All options that `with_config` takes for an environment."""
    maker = _maker(entry_point)
    kinds = (maker, *_config(maker).__mro__[:-1])
    names = [name for kind in kinds for name in inspect.signature(kind).parameters if name not in ("config", "kwargs")]
    return tuple(dict.fromkeys(names))


def _maker(entry_point: str) -> Any:
    module, _, name = entry_point.partition(":")
    return getattr(import_module(module), name)


def _config(maker: Any) -> Any:
    return get_args(get_type_hints(maker.__init__)["config"])[0]
