"""How much of one path another one covers. Pure functions of points."""

from __future__ import annotations

import numpy as np

from viewer_app.types import FloatArray


def coverage(points: FloatArray, path: FloatArray, within: float) -> float:
    """Share of some points that lie near a path, anywhere along it and between its points too.

    Source: "free-space coverage" of the PARA experiments, the fraction of the true trajectory's points within some
    pixels of the predicted trajectory, not of its end alone. Here distances are in space.

    Args:
        points: Of the path that ought to be covered. Shape (P, 3).
        path: A polyline through these. Shape (Q, 3), Q >= 1.
        within: How near is near, in the unit of the points.

    Returns:
        0 .. 1, NaN without points.
    """
    if not len(points):
        return float("nan")
    return float(np.mean(distances(points, path) <= within))


def distances(points: FloatArray, path: FloatArray) -> FloatArray:
    """Distance of each point from the nearest place of a polyline.

    Args:
        points: Shape (P, 3).
        path: Shape (Q, 3), Q >= 1.

    Returns:
        Shape (P,).
    """
    begin = path[:-1] if len(path) > 1 else path
    along = np.diff(path, axis=0) if len(path) > 1 else np.zeros_like(path)  # (S, 3)
    offset = points[:, None] - begin[None]  # (P, S, 3)
    length = np.einsum("si,si->s", along, along)  # (S,)
    share = np.einsum("psi,si->ps", offset, along) / np.where(length > 0, length, 1.0)
    nearest = offset - np.clip(share, 0.0, 1.0)[..., None] * along[None]
    return np.asarray(np.sqrt(np.einsum("psi,psi->ps", nearest, nearest).min(axis=1)), np.float64)
