"""A checkpoint whose cameras are not the scene's: what it sees, what is said of it, and which camera is guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recordings.plain import policy_from_plain, policy_to_plain
from tests.scenes import SPEC, write_scene
from tests.scripted import do
from tests.synthetic import Wave
from viewer_app.blinding import Blind
from viewer_app.camera_map import MappedPolicy, as_read, described, mapping_of, options_of, parse_mapping
from viewer_app.camera_names import suggest
from viewer_app.commands import SetBlinding, Step
from viewer_app.headless import open_engine
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, CallProgress, ImageArray, Observation, Policy, Want, WhiskersError

core = pytest.mark.core

RENAMED: Mapping[str, str | None] = {"top": "above", "flank": "aside"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Two cameras of different sizes, so that a mix-up shows."""
    wide = SPEC.replace("[cameras.aside]\nwidth = 32", "[cameras.aside]\nwidth = 48")
    return Scene.load(write_scene(tmp_path_factory.mktemp("plotter"), wide))


class Looking(Wave):
    """What it does depends on every pixel, and on which camera showed it. Remembers what it was shown."""

    def __init__(self, scene: Scene, cameras: Mapping[str, tuple[int, int]] | None = None, n_obs_steps: int = 1):
        super().__init__(scene, cameras=cameras, noise=0.5, n_obs_steps=n_obs_steps)
        self.shown: list[Observation] = []
        self.call: CallProgress | None = None

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        self.shown = list(observations)
        chunk = super().predict(observations, start, seed, want)
        push = np.zeros(2, np.float32)
        extras: dict[str, NDArray[np.float32]] = {"attention": np.ones((1, 3), np.float32)}
        for number, (name, (height, width)) in enumerate(self.info.cameras.items()):
            assert all(each.images[name].shape == (height, width, 3) for each in observations)
            image = observations[0].images[name].astype(np.float64)
            push += (1 + number) * np.float32((image * np.linspace(0.1, 0.2, image.size).reshape(image.shape)).mean())
            extras[f"attention:{name}"] = np.full((1, height // 4, width // 4), number + 1, np.float32)
        return replace(chunk, actions=chunk.actions + push, extras=extras if want.attention else {})


def observation(scene: Scene, seed: int = 0) -> Observation:
    """Every camera of the scene shows noise."""
    rng = np.random.default_rng(seed)
    images: dict[str, ImageArray] = {
        name: rng.integers(0, 256, (size.height, size.width, 3), dtype=np.uint8)
        for name, size in scene.spec.cameras.items()
    }
    return Observation(0.5, rng.standard_normal(2).astype(np.float32), images, "Push the cube.")


def renamed(seen: Observation, **images: ImageArray) -> Observation:
    return replace(seen, images=images)


# What it sees.


@core
def test_mapped_is_plain_shown_renamed_pictures(scene: Scene) -> None:
    """The chunk is that of the checkpoint itself, to the bit, shown the mapped pictures under its own names."""
    policy = Looking(scene, {"top": (24, 32), "flank": (24, 48)}, n_obs_steps=2)
    mapped = MappedPolicy(policy, RENAMED, scene)
    seen = [observation(scene, seed) for seed in (1, 2)]
    plain = [renamed(each, top=each.images["above"], flank=each.images["aside"]) for each in seen]
    assert mapped.predict(seen, 3, 7, Want()).same_as(policy.predict(plain, 3, 7, Want()))
    assert np.array_equal(mapped.ensemble_weights(0.01), policy.ensemble_weights(0.01))


@core
def test_pictures_of_another_size_are_resized(scene: Scene) -> None:
    """A picture of another size is shown in the trained one, as `as_read` makes it, and the others are left alone."""
    policy = Looking(scene, {"top": (12, 16), "flank": (60, 48)})
    seen = observation(scene)
    chunk = MappedPolicy(policy, RENAMED, scene).predict([seen], 0, 0, Want())
    plain = renamed(seen, top=as_read(seen.images["above"], 12, 16), flank=as_read(seen.images["aside"], 60, 48))
    assert chunk.same_as(policy.predict([plain], 0, 0, Want()))


@core
def test_resizing_keeps_what_is_shown() -> None:
    """To a third of its size each pixel is the mean of nine; enlarged, a ramp stays a ramp; the same size is the same
    picture; and where the shape differs, the whole picture is still there."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (24, 33, 3), dtype=np.uint8)
    assert as_read(picture, 24, 33) is picture
    blocks = picture.reshape(8, 3, 11, 3, 3).mean(axis=(1, 3))
    assert np.abs(as_read(picture, 8, 11) - blocks).max() <= 0.51
    ramp = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[:, None, None], 3, axis=2).repeat(8, axis=1)
    large = as_read(ramp, 96, 8)[:, 0, 0].astype(int)
    assert (np.diff(large) >= 0).all()
    assert np.abs(np.diff(large)[4:-4] - 2.5).max() <= 0.5
    halves = np.zeros((24, 32, 3), np.uint8)
    halves[:, 16:] = 255
    assert as_read(halves, 50, 20).mean() == pytest.approx(halves.mean(), abs=3)


@core
def test_a_camera_shown_nothing_cannot_matter(scene: Scene) -> None:
    """In place of a camera that is mapped to none, the policy sees the training's mean colour, else black; what the
    scene's unused camera shows changes nothing."""
    policy = Looking(scene, {"top": (24, 32), "flank": (20, 20)})
    mapped = MappedPolicy(policy, {"top": "above", "flank": None}, scene)
    seen = observation(scene, 1)
    chunk = mapped.predict([seen], 0, 0, Want())
    assert not policy.shown[0].images["flank"].any()
    other = replace(seen, images={**seen.images, "aside": observation(scene, 2).images["aside"]})
    assert mapped.predict([other], 0, 0, Want()).same_as(chunk)
    other = replace(seen, images={**seen.images, "above": observation(scene, 2).images["above"]})
    assert not mapped.predict([other], 0, 0, Want()).same_as(chunk)
    policy._info = replace(policy.info, camera_mean={"flank": (0.2, 0.4, 1.0)})
    MappedPolicy(policy, {"top": "above", "flank": None}, scene).predict([seen], 0, 0, Want())
    assert np.unique(policy.shown[0].images["flank"].reshape(-1, 3), axis=0).tolist() == [[51, 102, 255]]


@core
def test_swapping_two_cameras_is_another_policy(scene: Scene) -> None:
    """Which camera is which changes the chunk and the digest."""
    policy = Looking(scene, {"top": (24, 32), "flank": (24, 32)})
    one = MappedPolicy(policy, RENAMED, scene)
    other = MappedPolicy(policy, {"top": "aside", "flank": "above"}, scene)
    seen = observation(scene)
    assert not one.predict([seen], 0, 0, Want()).same_as(other.predict([seen], 0, 0, Want()))
    assert len({policy.info.digest, one.info.digest, other.info.digest}) == 3


@core
def test_attention_is_told_by_the_scenes_names(scene: Scene) -> None:
    """Attention to a camera is about the scene's camera behind it: added up where that is shown as two, on the grid of
    the first, and left out where nothing is shown, though a camera of the scene has the checkpoint's very name."""
    policy = Looking(scene, {"top": (24, 32), "flank": (48, 64), "aside": (24, 32)})
    found = MappedPolicy(policy, {"top": "above", "flank": "above", "aside": None}, scene)
    extras = found.predict([observation(scene)], 0, 0, Want(attention=True)).extras
    assert set(extras) == {"attention", "attention:above"}
    assert extras["attention:above"].shape == (1, 6, 8)
    assert extras["attention:above"].sum() == pytest.approx(1 * 6 * 8 + 2 * 12 * 16)
    assert not extras["attention:above"].flags.writeable


# In an episode.


@core
def test_an_episode_is_that_of_the_scenes_own_names(scene: Scene) -> None:
    """Driving a scene under a mapping is, to the bit, driving it with a checkpoint trained on its cameras; blinding a
    camera by the scene's name blinds it, and undoes nothing else."""
    sizes = {"above": (24, 32), "aside": (24, 48)}
    own = Looking(scene, sizes)
    mapped = MappedPolicy(Looking(scene, {"top": sizes["above"], "flank": sizes["aside"]}), RENAMED, scene)

    def drive(policy: Policy, *blind: str) -> Trace:
        engine = open_engine(scene, policy, seed=3)
        trace = do(engine, *(SetBlinding(name, Blind.BLACK) for name in blind), Step(9))
        engine.close()
        return trace

    plain, blinded = drive(own), drive(own, "aside")
    assert np.array_equal(drive(mapped).column("action"), plain.column("action"))
    assert np.array_equal(drive(mapped, "aside").column("action"), blinded.column("action"))
    assert not np.array_equal(plain.column("action"), blinded.column("action"))


@core
def test_progress_of_a_call_passes_through(scene: Scene) -> None:
    """How far a call is can be read from outside, for policies that tell and for those that do not."""
    policy = Looking(scene, {"top": (24, 32)})
    mapped = MappedPolicy(policy, {"top": "above"}, scene)
    assert mapped.call is None
    policy.call = CallProgress(2, 10)
    assert mapped.call == CallProgress(2, 10)
    assert MappedPolicy(Wave(scene, cameras={"top": (24, 32)}), {"top": "above"}, scene).call is None


# What is said of it.


@core
@pytest.mark.parametrize(
    ("mapping", "names"),
    [
        (RENAMED, {"above": "top", "aside": "flank"}),
        ({"top": "aside", "flank": "aside"}, {"aside": "top, flank"}),
        ({"top": None, "flank": "aside"}, {"aside": "flank"}),
        ({"top": None, "flank": None}, {}),
    ],
)
def test_info_survives_a_recording(scene: Scene, mapping: Mapping[str, str | None], names: dict[str, str]) -> None:
    """The info names the scene's cameras in the scene's sizes with the means that belong to them, survives a recording,
    and from it and the checkpoint the mapping is found again."""
    means = {"top": (0.1, 0.2, 0.3), "flank": (0.4, 0.5, 0.6)}
    policy = Wave(scene, cameras={"top": (480, 640), "flank": (24, 48)})
    policy._info = replace(policy.info, camera_mean=means)
    info = MappedPolicy(policy, mapping, scene).info
    sizes = {name: (size.height, size.width) for name, size in scene.spec.cameras.items()}
    assert info.mapped_cameras == names
    assert info.cameras == {camera: sizes[camera] for camera in names}
    assert info.camera_mean == {camera: means[name.split(", ")[0]] for camera, name in names.items()}
    recorded = policy_from_plain(policy_to_plain(info))
    assert recorded is not None
    assert repr(recorded) == repr(info)
    assert mapping_of(recorded, policy.info) == mapping
    assert mapping_of(recorded, replace(policy.info, digest="of another checkpoint")) is None
    assert mapping_of(policy.info, policy.info) is None


@core
def test_the_sentence_says_what_is_shown(scene: Scene) -> None:
    """Each camera is told with what it sees, and with what becomes of the picture on the way."""
    info = Wave(scene, cameras={"top": (480, 640), "flank": (24, 48), "hand": (24, 24), "lap": (8, 8)}).info
    mapping = {"top": "above", "flank": "aside", "hand": "above", "lap": None}
    assert described(info, mapping, scene) == (
        "Policy wave on scene plotter: top sees above (enlarged from 32x24 to 640x480), flank sees aside, hand sees "
        "above (stretched from 32x24 to 24x24), lap sees nothing (a black picture)."
    )


@core
@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        ({"top": "above"}, "reads top, flank, and the mapping has top: map each"),
        ({**RENAMED, "hand": None}, "the mapping has top, flank, hand"),
        ({"top": "above", "flank": "behind"}, "'flank' .* to 'behind', which scene plotter has not; it has above, as"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(
    scene: Scene, mapping: Mapping[str, str | None], complaint: str
) -> None:
    """A camera too few, too many, or unknown to the scene is one sentence."""
    with pytest.raises(WhiskersError, match=complaint):
        MappedPolicy(Wave(scene, cameras={"top": (24, 32), "flank": (24, 48)}), mapping, scene)


@core
def test_an_observation_without_the_camera_is_refused(scene: Scene) -> None:
    """A missing picture is one sentence with the scene's name of the camera, not a traceback."""
    mapped = MappedPolicy(Wave(scene, cameras={"top": (24, 32)}), {"top": "above"}, scene)
    with pytest.raises(WhiskersError, match=r"is shown camera 'above', and the observation has aside\."):
        mapped.predict([renamed(observation(scene), aside=np.zeros((24, 48, 3), np.uint8))], 0, 0, Want())


# The command line.


@core
@pytest.mark.parametrize(
    "mapping",
    [RENAMED, {"top": None, "flank": "above"}, {"top": "above", "flank": "above"}, {"top": None, "flank": None}],
)
def test_options_say_the_mapping(scene: Scene, mapping: Mapping[str, str | None]) -> None:
    """What `options_of` writes, `parse_mapping` reads."""
    info = Wave(scene, cameras={"top": (24, 32), "flank": (24, 48)}).info
    texts = [text for text in options_of(mapping).split() if text != "--camera"]
    assert parse_mapping(texts, info, scene) == mapping


@core
def test_equal_names_need_not_be_said(scene: Scene) -> None:
    """A camera that no option names is the scene's of that name; an option can still say otherwise."""
    info = Wave(scene, cameras={"above": (24, 32), "flank": (24, 48)}).info
    assert parse_mapping(["flank=aside"], info, scene) == {"above": "above", "flank": "aside"}
    assert parse_mapping(["flank=above", "above=none"], info, scene) == {"above": None, "flank": "above"}


@core
@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (
            ["flank"],
            "CHECKPOINT_CAMERA=SCENE_CAMERA .* one of above, flank .* one of above, aside, none; found 'flank'",
        ),
        (["flank="], "found 'flank='"),
        (["wing=aside"], "found 'wing=aside'"),
        (["flank=behind"], "found 'flank=behind'"),
        (["flank=aside", "flank=above"], "names flank twice"),
        (
            ["above=aside"],
            "reads camera 'flank' too, .* add --camera flank=SCENE_CAMERA with one of above, aside, none",
        ),
    ],
)
def test_bad_options_are_one_sentence(scene: Scene, texts: list[str], complaint: str) -> None:
    """What cannot be meant is refused with the names that there are."""
    info = Wave(scene, cameras={"above": (24, 32), "flank": (24, 48)}).info
    with pytest.raises(WhiskersError, match=complaint) as caught:
        parse_mapping(texts, info, scene)
    assert "\n" not in str(caught.value)


# Guesses.


@core
@pytest.mark.parametrize(
    ("read", "there", "expected", "guessed"),
    [
        # Equal names are no guess, and are nobody else's.
        ("overhead_cam wrist_cam", "wrist_cam overhead_cam", "overhead_cam wrist_cam", ""),
        ("top overhead_cam", "overhead_cam", "- overhead_cam", ""),
        # The same place in other words.
        ("top wrist", "wrist_cam overhead_cam", "overhead_cam wrist_cam", "top wrist"),
        ("gripper up", "wrist_cam overhead_cam", "wrist_cam overhead_cam", "gripper up"),
        ("handCam above", "wrist_cam overhead_cam", "wrist_cam overhead_cam", "handCam above"),
        (
            "robot0_eye_in_hand agentview",
            "base_cam gripper_cam",
            "gripper_cam base_cam",
            "robot0_eye_in_hand agentview",
        ),
        ("cam_high cam_right_wrist", "top left_wrist right_wrist", "top right_wrist", "cam_high cam_right_wrist"),
        ("front", "side top", "side", "front"),
        # A slip of the pen, and the same words in another order.
        ("overhed_cam", "overhead_cam", "overhead_cam", "overhed_cam"),
        ("image_table", "shelf table_camera", "table_camera", "image_table"),
        # Near misses.
        ("laptop", "top overhead_cam", "-", ""),
        ("handle_cam", "wrist_cam overhead_cam", "-", ""),
        ("update_cam", "overhead_cam up_cam", "-", ""),
        ("left_wrist", "right_wrist overhead_cam", "-", ""),
        ("left_wrist_0_rgb right_wrist_0_rgb", "wrist_cam", "wrist_cam -", "left_wrist_0_rgb"),
        ("wrist", "overhead_cam", "-", ""),
        ("top side", "overhead_cam wrist_cam", "overhead_cam -", "top"),
        # Names that say nothing are guessed only where nothing else is left.
        ("image", "overhead_cam", "overhead_cam", "image"),
        ("image", "overhead_cam wrist_cam", "-", ""),
        ("image wrist", "overhead_cam wrist_cam", "overhead_cam wrist_cam", "image wrist"),
        ("camera1 camera2", "overhead_cam", "- -", ""),
        ("top", "", "-", ""),
    ],
)
def test_guesses(read: str, there: str, expected: str, guessed: str) -> None:
    """What is suggested for names as they occur, and which of it is called a guess, in whatever order they come."""
    wanted = dict(zip(read.split(), (None if name == "-" else name for name in expected.split()), strict=True))
    found = suggest(read.split(), there.split())
    assert found.mapping == wanted
    assert found.guessed == set(guessed.split())
    assert list(found.mapping) == read.split()
    if read != "left_wrist_0_rgb right_wrist_0_rgb":  # Either would do; the first is taken.
        assert suggest(read.split()[::-1], there.split()[::-1]).mapping == wanted


# A checkpoint of LeRobot's.


@pytest.mark.slow
def test_a_real_checkpoint_with_other_names(scene: Scene, tmp_path: Path) -> None:
    """Two ACT checkpoints that differ in their cameras' names alone give, mapped and plain, the same chunks, samples
    and attention to the bit, and the one with the other names does not run unmapped."""
    pytest.importorskip("torch")
    from policies.load import load
    from tests.checkpoints import build_act

    sizes = {"above": (24, 32), "aside": (24, 48)}
    other = {"top": sizes["above"], "flank": sizes["aside"]}
    own = load(str(build_act(tmp_path / "own", cameras=sizes, n_state=2, n_action=2)))
    plain = load(str(build_act(tmp_path / "other", cameras=other, n_state=2, n_action=2)))
    mapped = MappedPolicy(plain, RENAMED, scene)
    seen, want = [observation(scene)], Want(samples=2, attention=True)
    chunk = mapped.predict(seen, 4, 5, want)
    assert chunk.same_as(own.predict(seen, 4, 5, want))
    assert {"samples", "attention", "attention:above", "attention:aside"} == set(chunk.extras)
    assert mapped.info.camera_mean == own.info.camera_mean
    with pytest.raises(WhiskersError, match="reads camera 'top'"):
        plain.predict(seen, 4, 5, want)
