"""How a chunk came out of noise: where its denoising steps would take the gripper, and how early that is settled.

Pure functions of a trace and of a chunk's extras; paths are computed with the caller's `Paths`, which remember them.
Row S of whatever has a row for each denoising step is the chunk itself.
"""

from __future__ import annotations

import numpy as np

from viewer_app.alternatives import farthest
from viewer_app.insight import SETTLED, DenoisingInsight, Settled
from viewer_app.paths import Paths
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, FloatArray, frozen


def samples_of(paths: Paths, trace: Trace, chunk: ActionChunk, site: int | None = None) -> FloatArray:
    """Where the sample x_t of each denoising step would put a site. Shape (S + 1, H, 3). [m]

    Args:
        paths: Computes and remembers them.
        trace: Says where everything else is.
        chunk: One that carries `extras["denoising"]`.
        site: Number of the site in the model; None is the end effector.
    """
    rows = chunk.extras["denoising"]
    return paths.kinematics.path_for(rows, rows, trace, chunk.start, site)


def aims_of(paths: Paths, trace: Trace, chunk: ActionChunk, site: int | None = None) -> FloatArray | None:
    """Where the chunk that each denoising step points to, the x0 estimate, would put a site, and last the chunk.

    Args: as `samples_of`.

    Returns:
        Shape (S + 1, H, 3). [m] None where the chunk does not tell.
    """
    rows = chunk.extras.get("denoising_x0")
    if rows is None:
        return None
    estimates = paths.kinematics.path_for(rows, rows, trace, chunk.start, site)
    return np.concatenate([estimates, samples_of(paths, trace, chunk, site)[-1:]])


def draws_of(paths: Paths, trace: Trace, chunk: ActionChunk, site: int | None = None) -> FloatArray | None:
    """As `samples_of`, of each further draw of the noise. Shape (K, S + 1, H, 3). [m] None where there is none."""
    rows = chunk.extras.get("samples_denoising")
    if rows is None or not len(rows):
        return None
    return paths.kinematics.path_for(rows, rows, trace, chunk.start, site)


def away(whiskers: FloatArray) -> FloatArray:
    """Largest distance of each whisker from the last one, over its rows.

    Args:
        whiskers: Shape (S + 1, H, 3). [m]

    Returns:
        Shape (S + 1,). [mm]
    """
    return np.asarray(1000 * np.linalg.norm(whiskers - whiskers[-1], axis=2).max(axis=1))


def settled_from(distances: FloatArray, near: float = SETTLED) -> int:
    """The first row from which on all are nearer than `near`: one that comes near and leaves again does not count.

    Args:
        distances: By denoising step, the last being the chunk's from itself. Shape (S + 1,). [mm]
        near: [mm]
    """
    far = np.flatnonzero(~(distances < near))  # what is not a number is not near
    return min(int(far[-1]) + 1, len(distances) - 1) if len(far) else 0


def spread_of(whiskers: FloatArray, draws: FloatArray) -> FloatArray:
    """Largest distance of any draw of the noise from the mean of all at the chunk's end, by denoising step.

    Args:
        whiskers: Of the chunk itself. Shape (S + 1, H, 3). [m]
        draws: Of the further draws. Shape (K, S + 1, H, 3). [m]

    Returns:
        Shape (S + 1,). [mm]
    """
    ends = np.concatenate([whiskers[None, :, -1], draws[:, :, -1]])  # (K + 1, S + 1, 3)
    return np.array([farthest(ends[:, step]) for step in range(ends.shape[1])])


def settled_of(paths: Paths, trace: Trace, chunk: ActionChunk) -> Settled:
    """How early the end effector's whisker of a chunk was settled. The chunk carries `extras["denoising"]`."""
    samples, aims = samples_of(paths, trace, chunk), aims_of(paths, trace, chunk)
    last = len(samples) - 1
    aim = settled_from(away(aims)) if aims is not None else last
    return Settled(chunk.start, last, settled_from(away(samples)), aim)


def insight_of(paths: Paths, trace: Trace, chunk: ActionChunk, site: int | None = None) -> DenoisingInsight:
    """Figures about a chunk that carries `extras["denoising"]`.

    What its other extras do not tell is not a number, or empty: the times, what is in normalised units, the aims.
    Other arguments as `samples_of`.
    """
    samples, aims = samples_of(paths, trace, chunk, site), aims_of(paths, trace, chunk, site)
    draws = draws_of(paths, trace, chunk, site)
    unknown: FloatArray = np.full(len(samples), np.nan)
    numbers, estimates = _flat(chunk, "denoising_model"), _flat(chunk, "denoising_x0_model")
    means = deviations = smallest = largest = distances_model = unknown
    aim_distances_model: FloatArray = np.zeros(0)
    if numbers is not None:
        means, deviations = numbers.mean(axis=1), numbers.std(axis=1)
        smallest, largest = numbers.min(axis=1), numbers.max(axis=1)
        distances_model = _apart(numbers, numbers[-1])
        if estimates is not None:
            aim_distances_model = _apart(estimates, numbers[-1])
    distances, aim_distances = away(samples), away(aims) if aims is not None else None
    return DenoisingInsight(
        step=chunk.start,
        times=frozen(np.asarray(chunk.extras.get("denoising_times", unknown), np.float64)),
        mean=frozen(means),
        deviation=frozen(deviations),
        smallest=frozen(smallest),
        largest=frozen(largest),
        away=frozen(distances),
        away_aim=frozen(aim_distances[:-1] if aim_distances is not None else np.zeros(0)),
        away_model=frozen(distances_model),
        away_aim_model=frozen(aim_distances_model),
        spread=frozen(spread_of(samples, draws) if draws is not None else np.zeros(0)),
        settled=settled_from(distances),
        aim_settled=settled_from(aim_distances) if aim_distances is not None else len(samples) - 1,
    )


def _flat(chunk: ActionChunk, name: str) -> FloatArray | None:
    """All numbers of each denoising step. Shape (steps, H * n)."""
    rows = chunk.extras.get(name)
    return None if rows is None else np.asarray(rows, np.float64).reshape(len(rows), -1)


def _apart(numbers: FloatArray, last: FloatArray) -> FloatArray:
    """Root mean square distance of each row from `last`. Shapes (steps, m) and (m,) to (steps,)."""
    return np.asarray(np.sqrt(np.mean((numbers - last) ** 2, axis=1)))
