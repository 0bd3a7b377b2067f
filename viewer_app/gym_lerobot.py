"""LeRobot's own environments: its `make_env` types and those that its plugins add, opened as `lerobot/TYPE[/TASK]`.

LeRobot and what it needs are imported only when such an environment is opened, because that takes many seconds.
"""

from __future__ import annotations

import importlib
from typing import Any

from viewer_app.gym_packages import STEPS_WITHOUT_LIMIT, Asked, GymError, Opened, cannot_open, first_sentence, quiet

LEROBOT = "lerobot/"
"""What the names of LeRobot's environments begin with."""

_EXTRAS = {kind: f"pip install 'whiskers-viewer[{kind}]'" for kind in ("aloha", "metaworld", "so101")}
"""What installs the packages of LeRobot's types, of which the last is a plugin's."""


def make_lerobot(asked: Asked) -> Opened:
    """An environment as `lerobot-eval` opens it, without Gymnasium's wrappers that check and limit.

    Args:
        asked: Its id is `lerobot/TYPE` or `lerobot/TYPE/TASK`; the options are those of LeRobot's configuration.

    Raises:
        GymError: If LeRobot or the environment's package is missing, there is no such type, task or option, or it does
            not open.
    """
    kind, _, task = asked.id.removeprefix(LEROBOT).partition("/")
    with quiet():
        configs, factory = _imported(asked.name)
        known = configs.EnvConfig.get_known_choices()
        if kind not in known:
            add = f" Type {kind} comes with {_EXTRAS[kind]}." if kind in _EXTRAS else ""
            raise GymError(
                f"There is no environment {asked.name}: LeRobot's types here are {', '.join(sorted(known))}.{add}"
            )
        options = dict(asked.options) | ({"task": task} if task else {})
        fields = [each for each in known[kind].__dataclass_fields__ if not each.startswith("features")]
        for option in options:
            if option not in fields:
                raise GymError(
                    f"Environment {asked.name} has no option {option!r}; LeRobot's {kind} has {', '.join(fields)}."
                )
        try:
            found = factory.make_env(factory.make_env_config(kind, **options), n_envs=1)
        except ModuleNotFoundError as error:
            raise GymError(
                f"Environment {asked.name} needs the package {error.name or first_sentence(error)}: "
                f"{_EXTRAS.get(kind, f"pip install 'lerobot[{kind}]'")}."
            ) from None
        except Exception as error:
            raise cannot_open(asked.name, error) from error
    tasks = [vector for group in found.values() for vector in group.values()]
    if len(tasks) != 1:
        raise GymError(
            f"Environment {asked.name} is {len(tasks)} tasks ({', '.join(found)}); a scene is one: name it as "
            f"lerobot/{kind}/TASK."
        )
    (wrapped,) = tasks[0].envs
    try:
        limit = wrapped.get_wrapper_attr("_max_episode_steps")
    except AttributeError:
        limit = None
    # Of the wrappers only the limit does anything, and the world keeps its own count.
    return Opened(wrapped.unwrapped, limit if isinstance(limit, int) else STEPS_WITHOUT_LIMIT, resets_itself=True)


def _imported(name: str) -> tuple[Any, Any]:
    """LeRobot's modules of configurations and of making, with plugins registered."""
    try:
        configs = importlib.import_module("lerobot.envs.configs")
        factory = importlib.import_module("lerobot.envs.factory")
        importlib.import_module("lerobot.utils.import_utils").register_third_party_plugins()
    except Exception as error:
        raise GymError(
            f"LeRobot, which environment {name} is of, cannot be imported ({type(error).__name__}: "
            f"{first_sentence(error)})"
        ) from error
    return configs, factory
