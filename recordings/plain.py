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
from viewer_app.types import Float32Array, Guidance, PolicyInfo, Scale, frozen

Table = dict[str, Plain]


def settings_to_plain(settings: Settings) -> Table:
    return {
        "chunking": _chunking_to_plain(settings.chunking),
        "blinding": {name: {"mode": each.mode.value, "since": each.since} for name, each in settings.blinding.items()},
        "prompt": settings.prompt,
        "reset_at_start": settings.reset_at_start,
        "delay": settings.delay,
        "denoising_steps": settings.denoising_steps,
        "guidance": None if settings.guidance is None else asdict(settings.guidance),
    }


def settings_from_plain(table: Plain) -> Settings:
    """
    Raises:
        KeyError, TypeError, ValueError: If the table is not what `settings_to_plain` makes.
    """
    table = _table(table)
    blinding = {
        name: BlindSetting(Blind(_str(_table(each)["mode"])), _int(_table(each)["since"]))
        for name, each in _table(table["blinding"]).items()
    }
    return Settings(
        chunking=_chunking_from_plain(_table(table["chunking"])),
        blinding=MappingProxyType(blinding),
        prompt=_str(table["prompt"]),
        reset_at_start=bool(table["reset_at_start"]),
        delay=_int(table.get("delay", 0)),  # format 1 has none
        denoising_steps=_int(table.get("denoising_steps", 0)),  # formats 1 and 2 have neither
        guidance=_guidance_from_plain(table.get("guidance")),
    )


def _guidance_from_plain(table: Plain) -> Guidance | None:
    if table is None:
        return None
    table = _table(table)
    match table["schedule"]:
        case "linear" | "exp" | "ones" | "zeros" as schedule:
            return Guidance(_int(table["horizon"]), _float(table["weight"]), schedule)
        case other:
            raise ValueError(f"unknown schedule {other!r}")


def event_to_plain(event: Event) -> Plain:
    return [event.step, event.kind, event.text]


def event_from_plain(row: Plain) -> Event:
    step, kind, text = cast(list[Plain], row)
    return Event(_int(step), _str(kind), _str(text))


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
        "mapped_cameras": dict(policy.mapped_cameras),
    }


def policy_from_plain(table: Plain) -> PolicyInfo | None:
    """
    Raises:
        KeyError, TypeError, ValueError: If the table is not what `policy_to_plain` makes.
    """
    if table is None:
        return None
    table = _table(table)
    coefficient = table["ensemble_coefficient"]
    return PolicyInfo(
        name=_str(table["name"]),
        kind=_str(table["kind"]),
        source=_str(table["source"]),
        digest=_str(table["digest"]),
        chunk_size=_int(table["chunk_size"]),
        n_action_steps=_int(table["n_action_steps"]),
        n_action=_int(table["n_action"]),
        n_state=_int(table["n_state"]),
        cameras=MappingProxyType({name: _size(size) for name, size in _table(table["cameras"]).items()}),
        n_obs_steps=_int(table["n_obs_steps"]),
        uses_task=bool(table["uses_task"]),
        ensemble_coefficient=None if coefficient is None else _float(coefficient),
        deterministic=bool(table["deterministic"]),
        n_parameters=_int(table["n_parameters"]),
        tensors_verified=_int(table["tensors_verified"]),
        tensors_in_file=_int(table["tensors_in_file"]),
        action_scale=_scale_from_plain(table["action_scale"]),
        state_scale=_scale_from_plain(table["state_scale"]),
        camera_mean=MappingProxyType({name: _colour(mean) for name, mean in _table(table["camera_mean"]).items()}),
        device=_str(table["device"]),
        # Formats 1 and 2 have none of these.
        denoising_steps=_int(table.get("denoising_steps", 0)),
        guidable=bool(table.get("guidable", False)),
        mapped_cameras=MappingProxyType(
            {name: _str(key) for name, key in _table(table.get("mapped_cameras", {})).items()}
        ),
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
        return FirstN(_int(table["n_action_steps"]))
    if "advance" in table:
        return OverlapBlend(_int(table["advance"]), _int(table["overlap"]))
    weights = cast(list[Plain], table["weights"])
    return TemporalEnsemble(_float(table["temporal_ensemble"]), tuple(_float(w) for w in weights))


def _scale_to_plain(scale: Scale | None) -> Plain:
    return None if scale is None else {"kind": scale.kind, "a": _numbers(scale.a), "b": _numbers(scale.b)}


def _scale_from_plain(table: Plain) -> Scale | None:
    if table is None:
        return None
    table = _table(table)
    a, b = (frozen(np.array(table[key], np.float32)) for key in ("a", "b"))
    match table["kind"]:
        case "mean_std" | "min_max" | "identity" as kind:
            return Scale(kind, a, b)
        case other:
            raise ValueError(f"unknown scale {other!r}")


def _numbers(array: Float32Array) -> list[Plain]:
    return [float(x) for x in array]


def _table(value: Plain) -> Table:
    if not isinstance(value, dict):
        raise TypeError(f"expected a table, found {value!r}")
    return value


def _int(value: Plain) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected a whole number, found {value!r}")
    return value


def _float(value: Plain) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {value!r}")
    return float(value)


def _str(value: Plain) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {value!r}")
    return value


def _size(value: Plain) -> tuple[int, int]:
    height, width = cast(list[Plain], value)
    return _int(height), _int(width)


def _colour(value: Plain) -> tuple[float, float, float]:
    red, green, blue = cast(list[Plain], value)
    return _float(red), _float(green), _float(blue)
