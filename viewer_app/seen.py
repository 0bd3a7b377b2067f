"""What the policy saw, or would see, at a step: one function of `(trace, step)` for the engine, the window and videos.

The engine asks the policy with exactly this, so a picture rendered again later equals the one the policy saw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from viewer_app.blinding import STATE, Blind, blind
from viewer_app.trace import Settings, Trace
from viewer_app.types import FloatArray, ImageArray, Observation, PolicyInfo

Picture = Callable[[FloatArray, Sequence[str]], Mapping[str, ImageArray]]
"""(snapshot, cameras) to camera name to picture: `types.World.picture` or `world.Pictures.pictures`."""


def unblinded(
    trace: Trace, step: int, cameras: Sequence[str], picture: Picture, settings: Settings | None = None
) -> Observation:
    """What the sensors showed at a step, whatever the policy was shown."""
    around = np.asarray(trace.column("environment_state"), np.float32)[step]
    return Observation(
        time=float(np.asarray(trace.column("time"))[step]),
        state=np.asarray(trace.column("state"), np.float32)[step].copy(),
        environment_state=around.copy() if around.size else None,
        images=picture(trace.snapshot(step), cameras),
        task=(trace.settings_at(step) if settings is None else settings).prompt,
    )


def seen_at(
    trace: Trace, step: int, info: PolicyInfo, picture: Picture, settings: Settings | None = None
) -> Observation:
    """What the policy is shown at a step, after blinding.

    Args:
        trace: The episode.
        step: 0 .. len(trace).
        info: Says which cameras the policy reads and its training means.
        picture: Renders a snapshot.
        settings: Prompt and blinding in place of those in force at the step.
    """
    blinding = (trace.settings_at(step) if settings is None else settings).blinding
    now = unblinded(trace, step, tuple(info.cameras), picture, settings)
    frozen_at = {}
    for name, setting in blinding.items():
        if setting.mode is Blind.FROZEN and setting.since not in frozen_at:
            cameras = () if name == STATE else tuple(info.cameras)
            frozen_at[setting.since] = unblinded(trace, min(setting.since, step), cameras, picture)
    return blind(now, blinding, info, frozen_at, trace.seed, step)


def seen_until(
    trace: Trace, step: int, info: PolicyInfo, picture: Picture, settings: Settings | None = None
) -> list[Observation]:
    """The last `info.n_obs_steps` observations up to a step, oldest first; the first one is repeated at the start of
    an episode and after a policy reset, as LeRobot's observation queues do."""
    begin = max((at for at in trace.resets if at <= step), default=0)
    steps = [max(step - back, begin) for back in reversed(range(info.n_obs_steps))]
    return [seen_at(trace, each, info, picture, settings) for each in steps]
