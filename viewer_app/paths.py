"""Both ways from actions to the path of a site: kinematic and physical."""

from __future__ import annotations

from collections.abc import Callable

import mujoco

from viewer_app.bodies import Bodies
from viewer_app.gym_paths import SimulatedKinematics, SimulatedRollout
from viewer_app.gym_twin import Patience, Twin
from viewer_app.kinematics import Kinematics
from viewer_app.reach import ReachReader
from viewer_app.rollout import Rollout
from viewer_app.scene import Scene
from viewer_app.trace import Trace


class Paths:
    """Computes paths. Holds scratch data, so one per thread.

    In the scene of an environment the physical ones are said by the environment's own code, in a scratch twin that is
    opened when it is first needed; and the kinematic ones too where nothing else can tell what an action does.
    """

    def __init__(self, scene: Scene, patience: float | None = None) -> None:
        """
        Args:
            scene: Of the actions.
            patience: How long environments may be simulated for one picture: what is missing then is NaN, and `notes`
                says so. None waits for everything. [s]
        """
        self.scene = scene
        self._patience = Patience(patience)
        self._twin = Twin(scene, self._patience) if scene.spec.environment else None
        self.kinematics = Kinematics(scene)
        self.rollout = Rollout(scene)
        self.bodies = Bodies(scene)
        if self._twin is not None:
            self.rollout = SimulatedRollout(scene, self._twin)
            if scene.spec.action.kind == "environment":
                self.kinematics = SimulatedKinematics(scene, self._twin)
        self.reach = ReachReader(scene)

    def has_site(self, name: str) -> bool:
        """Whether the model has a site of this name; the empty name is the end effector's."""
        return not name or mujoco.mj_name2id(self.scene.model, mujoco.mjtObj.mjOBJ_SITE, name) >= 0

    def site_of(self, name: str) -> int:
        """Number of a site, of the end effector for an empty or an unknown name: the model may have changed."""
        return int(self.scene.model.site(name).id) if name and self.has_site(name) else self.scene.site_id

    # Environments.

    def begin(self) -> None:
        """Another picture: `patience` is fresh."""
        if self._twin is not None:
            self._twin.begin()

    def grant(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Let environments be simulated longer for the next picture, while `stop` does not say otherwise. [s]"""
        self._patience.grant(seconds, stop)

    def know(self, trace: Trace) -> None:
        """Remember that a trace says how its moments came about, so that an environment can be brought to them."""
        if self._twin is not None:
            self._twin.know(trace)

    def prepare(self) -> None:
        """Begin to open the environment beside, before it is needed."""
        if self._twin is not None:
            self._twin.prepare()

    @property
    def twinless(self) -> bool:
        """Whether MuJoCo alone is simulated: no environment has a say, or none can be opened."""
        return self._twin is None or bool(self._twin.reason)

    @property
    def opening(self) -> bool:
        """Whether the environment is being opened beside."""
        return self._twin is not None and self._twin.opening

    @property
    def seconds(self) -> float:
        """How long environments were simulated since `begin`. [s]"""
        return self._twin.seconds if self._twin is not None else 0.0

    @property
    def unfinished(self) -> int:
        """How many paths that were asked for since `begin` are not simulated to their end."""
        return self._twin.unfinished if self._twin is not None else 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing or approximate in paths that were asked for since `begin`; and how exactly the environment
        can be rewound, once that was measured. In words."""
        if self._twin is None:
            return ()
        count, twin = self._twin.unfinished, self._twin
        waiting = f"{count} whisker{'s' * (count != 1)} not simulated yet" if count else ""
        left = "nothing simulates" if self.scene.spec.action.kind == "environment" else "MuJoCo alone simulates"
        reason = f"{left}: {twin.reason}" if twin.reason else ""
        rewind = str(twin.exactness) if twin.exactness is not None else ""
        return tuple(each for each in (waiting, reason, twin.caveat, rewind) if each)

    def close(self) -> None:
        """Close the environment."""
        if self._twin is not None:
            self._twin.close()
