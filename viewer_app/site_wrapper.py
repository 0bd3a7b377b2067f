"""A robot's MJCF with one more site, for a model that says nowhere where its end effector is."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from viewer_app.types import FloatArray, WhiskersError

SITE = "end_effector"
_SAME = (
    *("qpos0", "key_qpos", "body_mass", "body_inertia", "body_ipos", "body_pos", "body_quat", "geom_size", "geom_pos"),
    *("geom_contype", "geom_conaffinity", "geom_friction", "jnt_range", "dof_damping", "dof_armature", "cam_pos"),
    *("actuator_gainprm", "actuator_biasprm", "actuator_ctrlrange", "actuator_trnid", "eq_data", "tendon_range"),
)
"""Arrays of a model that must be what they were before."""


@dataclass(frozen=True)
class Wrapper:
    """An MJCF that is to be written."""

    path: Path
    text: str
    model: mujoco.MjModel


def with_site(robot: Path, body: str, position: tuple[float, float, float], folder: Path) -> Wrapper:
    """The MJCF of a robot with a site `end_effector` on one of its bodies.

    Args:
        robot: The MJCF. It stays as it is.
        body: Where the site is to be.
        position: In the body's frame. [m]
        folder: Where it is to be written; mesh and texture files are named relative to it.

    Raises:
        WhiskersError: If there is no such body, there is such a site already, or MuJoCo does not write the same model.
    """
    try:
        spec = mujoco.MjSpec.from_file(str(robot))
        before = spec.compile()
    except ValueError as error:
        raise WhiskersError(f"{robot} does not compile: {' '.join(str(error).split())}") from None
    names = [each.name for each in spec.bodies if each.name and each.name != "world"]
    if body not in names:
        raise WhiskersError(f"{robot} has no body {body!r} to put a site on; it has {', '.join(names) or 'none'}.")
    if any(each.name == SITE for each in spec.sites):
        raise WhiskersError(f"{robot} has a site {SITE} already; leave --site-on out.")
    spec.body(body).add_site(name=SITE, pos=list(position))
    root = ElementTree.fromstring(spec.to_xml())
    compiler = root.find("compiler")
    if compiler is None:
        compiler = ElementTree.SubElement(root, "compiler")
    for kind in ("meshdir", "texturedir"):
        files = robot.parent.resolve() / getattr(spec.compiler, kind)
        compiler.set(kind, Path(os.path.relpath(files, folder.resolve())).as_posix())
    ElementTree.indent(root)
    words = f" {robot.name} with a site on its body {body}, as MuJoCo {mujoco.__version__} wrote it. "
    text = f"<!--{words.replace('--', '- -')}-->\n{ElementTree.tostring(root, encoding='unicode')}\n"
    model = _compiled(before, text, folder, robot, body)
    return Wrapper(folder / f"{robot.stem}_{SITE}.xml", text, model)


def _compiled(before: mujoco.MjModel, text: str, folder: Path, robot: Path, body: str) -> mujoco.MjModel:
    """
    Raises:
        WhiskersError: If the text makes another model than the robot's.
    """
    beside = folder / f".{robot.stem}_{SITE}-{os.getpid()}.xml"
    reason = ""
    try:
        beside.write_text(text, encoding="utf-8")
        after = mujoco.MjModel.from_xml_path(str(beside))
        differing = [name for name in _SAME if not _equal(getattr(before, name), getattr(after, name))]
        if differing:
            reason = f"{', '.join(differing)} would differ"
    except OSError as error:
        raise WhiskersError(
            f"{beside.parent} cannot be written ({error.strerror}); name a folder with --out."
        ) from None
    except ValueError as error:
        reason = " ".join(str(error).split())
    finally:
        beside.unlink(missing_ok=True)
    if reason:
        raise WhiskersError(
            f"MuJoCo cannot write {robot.name} anew with one more site ({reason}); add "
            f'<site name="{SITE}"/> to its body {body} by hand.'
        )
    return after


def _equal(one: FloatArray, other: FloatArray) -> bool:
    # Numbers are written with some digits only.
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-5, atol=1e-7)
