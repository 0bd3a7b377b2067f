"""What a trace holds besides arrays, as plain JSON values and back: policy facts, settings, events.

Floats survive exactly: JSON numbers are written with as many digits as tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import assert_never, cast

import numpy as np

from recordings.blocks import Plain
from viewer_app.blinding import Blind, BlindSetting
from viewer_app.chunking import Chunking, FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.trace import Event, Settings
from viewer_app.types import Float32Array, Force, Guidance, PolicyInfo, Pose, Positions, Scale, frozen

Table = dict[str, Plain]
_LARGEST_PICTURE = 16384
"""What OpenGL renders at most on common hardware. [px]"""


def settings_to_plain(settings: Settings) -> Table:
    return {
        "chunking": _chunking_to_plain(settings.chunking),
        "blinding": {name: {"mode": each.mode.value, "since": each.since} for name, each in settings.blinding.items()},
        "prompt": settings.prompt,
        "reset_at_start": settings.reset_at_start,
        "delay": settings.delay,
        "denoising_steps": settings.denoising_steps,
        "guidance": None if settings.guidance is None else asdict(settings.guidance),
        "forces": [_force_to_plain(force) for force in settings.forces],
        "start_positions": None if settings.start is None else positions_to_plain(settings.start),
    }


def settings_from_plain(table: Plain) -> Settings:
    """
    Raises:
        KeyError, TypeError, ValueError: If the table is not what `settings_to_plain` makes.
    """
    table = table_of(table)
    blinding = {
        name: BlindSetting(Blind(text(table_of(each)["mode"])), whole_number(table_of(each)["since"]))
        for name, each in table_of(table["blinding"]).items()
    }
    delay = whole_number(table.get("delay", 0))  # format 1 has none
    if delay < 0:
        raise ValueError(f"a delay of {delay} steps")
    return Settings(
        chunking=_chunking_from_plain(table_of(table["chunking"])),
        blinding=MappingProxyType(blinding),
        prompt=text(table["prompt"]),
        reset_at_start=bool(table["reset_at_start"]),
        delay=delay,
        denoising_steps=whole_number(table.get("denoising_steps", 0)),  # formats 1 and 2 have neither
        guidance=_guidance_from_plain(table.get("guidance")),
        # Formats 1 to 3 have neither of these.
        forces=tuple(_force_from_plain(each) for each in list_of(table.get("forces", []))),
        start=None if table.get("start_positions") is None else positions_from_plain(table["start_positions"]),
    )


def positions_to_plain(positions: Positions) -> Table:
    """Where things were put, or are to begin."""
    return {
        "name": positions.name,
        "objects": {name: [*pose.position, *pose.quaternion] for name, pose in positions.objects.items()},
        "joints": dict(positions.joints),
        "others": dict(positions.others),
    }


def positions_from_plain(table: Plain) -> Positions:
    """
    Raises:
        KeyError, TypeError, ValueError: If the table is not what `positions_to_plain` makes.
    """
    table = table_of(table)
    objects = {}
    for name, row in table_of(table["objects"]).items():
        x, y, z, qw, qx, qy, qz = (number(each) for each in list_of(row))
        objects[name] = Pose((x, y, z), (qw, qx, qy, qz))
    joints, others = (
        MappingProxyType({name: number(value) for name, value in table_of(table[key]).items()})
        for key in ("joints", "others")
    )
    return Positions(MappingProxyType(objects), joints, others, text(table["name"]))


def _force_to_plain(force: Force) -> Plain:
    return [force.body, [*force.force], [*force.torque], force.begin, force.end]


def _force_from_plain(row: Plain) -> Force:
    body, force, torque, begin, end = list_of(row)
    found = Force(text(body), _three(force), _three(torque), whole_number(begin), whole_number(end))
    if not 0 <= found.begin < found.end:
        raise ValueError(f"a push from step {found.begin} to {found.end}")
    return found


def _three(value: Plain) -> tuple[float, float, float]:
    x, y, z = list_of(value)
    return number(x), number(y), number(z)


def _guidance_from_plain(table: Plain) -> Guidance | None:
    if table is None:
        return None
    table = table_of(table)
    match table["schedule"]:
        case "linear" | "exp" | "ones" | "zeros" as schedule:
            return Guidance(whole_number(table["horizon"]), number(table["weight"]), schedule)
        case other:
            raise ValueError(f"unknown schedule {other!r}")


def event_to_plain(event: Event) -> Plain:
    row: list[Plain] = [event.step, event.kind, event.text]
    return row if event.placed is None else [*row, positions_to_plain(event.placed)]


def event_from_plain(row: Plain) -> Event:
    step, kind, line, *placed = list_of(row)  # formats 1 to 3 have no fourth
    if len(placed) > 1:
        raise ValueError(f"an event of {3 + len(placed)} parts")
    return Event(whole_number(step), text(kind), text(line), positions_from_plain(placed[0]) if placed else None)


def policy_to_plain(policy: PolicyInfo | None) -> Plain:
    if policy is None:
        return None
    return {
        "name": policy.name,
        "kind": policy.kind,
        "source": policy.source,
        "digest": policy.digest,
        "chunk_size": policy.chunk_size,
        "n_action_steps": policy.n_action_steps,
        "n_action": policy.n_action,
        "n_state": policy.n_state,
        "cameras": {name: list(size) for name, size in policy.cameras.items()},
        "n_obs_steps": policy.n_obs_steps,
        "uses_task": policy.uses_task,
        "ensemble_coefficient": policy.ensemble_coefficient,
        "deterministic": policy.deterministic,
        "n_parameters": policy.n_parameters,
        "tensors_verified": policy.tensors_verified,
        "tensors_in_file": policy.tensors_in_file,
        "action_scale": _scale_to_plain(policy.action_scale),
        "state_scale": _scale_to_plain(policy.state_scale),
        "camera_mean": {name: list(mean) for name, mean in policy.camera_mean.items()},
        "device": policy.device,
        "denoising_steps": policy.denoising_steps,
        "guidable": policy.guidable,
        "relative_actions": policy.relative_actions,
        "mapped_cameras": dict(policy.mapped_cameras),
        "mended": dict(policy.mended),
        "n_environment_state": policy.n_environment_state,
    }


def policy_from_plain(table: Plain) -> PolicyInfo | None:
    """
    Raises:
        KeyError, TypeError, ValueError: If the table is not what `policy_to_plain` makes.
    """
    if table is None:
        return None
    table = table_of(table)
    coefficient = table["ensemble_coefficient"]
    return PolicyInfo(
        name=text(table["name"]),
        kind=text(table["kind"]),
        source=text(table["source"]),
        digest=text(table["digest"]),
        chunk_size=whole_number(table["chunk_size"]),
        n_action_steps=whole_number(table["n_action_steps"]),
        n_action=whole_number(table["n_action"]),
        n_state=whole_number(table["n_state"]),
        cameras=MappingProxyType({name: _size(size) for name, size in table_of(table["cameras"]).items()}),
        n_obs_steps=whole_number(table["n_obs_steps"]),
        uses_task=bool(table["uses_task"]),
        ensemble_coefficient=None if coefficient is None else number(coefficient),
        deterministic=bool(table["deterministic"]),
        n_parameters=whole_number(table["n_parameters"]),
        tensors_verified=whole_number(table["tensors_verified"]),
        tensors_in_file=whole_number(table["tensors_in_file"]),
        action_scale=_scale_from_plain(table["action_scale"]),
        state_scale=_scale_from_plain(table["state_scale"]),
        camera_mean=MappingProxyType({name: _colour(mean) for name, mean in table_of(table["camera_mean"]).items()}),
        device=text(table["device"]),
        # Formats 1 and 2 have none of these.
        denoising_steps=whole_number(table.get("denoising_steps", 0)),
        guidable=bool(table.get("guidable", False)),
        relative_actions=bool(table.get("relative_actions", False)),
        n_environment_state=whole_number(table.get("n_environment_state", 0)),
        mapped_cameras=MappingProxyType(
            {name: text(key) for name, key in table_of(table.get("mapped_cameras", {})).items()}
        ),
        mended=MappingProxyType({name: text(how) for name, how in table_of(table.get("mended", {})).items()}),
    )


def _chunking_to_plain(chunking: Chunking) -> Plain:
    match chunking:
        case FirstN(n):
            return {"n_action_steps": n}
        case TemporalEnsemble(coefficient, weights):
            return {"temporal_ensemble": coefficient, "weights": list(weights)}
        case OverlapBlend(advance, overlap):
            return {"advance": advance, "overlap": overlap}
        case _:
            assert_never(chunking)


def _chunking_from_plain(table: Mapping[str, Plain]) -> Chunking:
    if "n_action_steps" in table:
        return FirstN(whole_number(table["n_action_steps"]))
    if "advance" in table:
        return OverlapBlend(whole_number(table["advance"]), whole_number(table["overlap"]))
    weights = cast(list[Plain], table["weights"])
    return TemporalEnsemble(number(table["temporal_ensemble"]), tuple(number(w) for w in weights))


def _scale_to_plain(scale: Scale | None) -> Plain:
    return None if scale is None else {"kind": scale.kind, "a": _numbers(scale.a), "b": _numbers(scale.b)}


def _scale_from_plain(table: Plain) -> Scale | None:
    if table is None:
        return None
    table = table_of(table)
    a, b = (frozen(np.array(table[key], np.float32)) for key in ("a", "b"))
    match table["kind"]:
        case "mean_std" | "min_max" | "identity" as kind:
            return Scale(kind, a, b)
        case other:
            raise ValueError(f"unknown scale {other!r}")


def _numbers(array: Float32Array) -> list[Plain]:
    return [float(x) for x in array]


def table_of(value: Plain) -> Table:
    if not isinstance(value, dict):
        raise TypeError(f"expected a table, found {value!r}")
    return value


def list_of(value: Plain) -> list[Plain]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {value!r}")
    return value


def whole_number(value: Plain) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected a whole number, found {value!r}")
    return value


def number(value: Plain) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {value!r}")
    return float(value)


def text(value: Plain) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {value!r}")
    return value


def _size(value: Plain) -> tuple[int, int]:
    height, width = (whole_number(each) for each in list_of(value))
    if not (0 < height <= _LARGEST_PICTURE and 0 < width <= _LARGEST_PICTURE):
        raise ValueError(f"no picture is {width}x{height}")
    return height, width


def _colour(value: Plain) -> tuple[float, float, float]:
    return _three(value)
