"""What can be asked on the command line, and how it is read.

Nothing heavy is imported here: `whiskers --help` needs neither MuJoCo nor torch.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro

from viewer_app.types import WhiskersError

Cameras = Annotated[
    tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="camera", metavar="CHECKPOINT_CAMERA=SCENE_CAMERA")
]
Joints = Annotated[
    tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="joint", metavar="THEIR_JOINT=SCENE_JOINT")
]
Units = Annotated[str, tyro.conf.arg(metavar="state=UNIT,action=UNIT")]
Statistics = Annotated[str | None, tyro.conf.arg(metavar="DATASET_OR_FILE")]
Names = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")]
Checkpoint = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="CHECKPOINT")]


@dataclass(frozen=True)
class Demo:
    """Open the built-in scene, robot and trained checkpoint in the window. Without a display, record an episode."""

    policy: str = "demo:act"
    """Checkpoint that drives: a folder, a hub id, or a demo's name."""
    scene: str = "so101"
    """Built-in scene, path of a scene's text file, or gym:ID, an environment."""
    seed: int = 1000
    """Of the first episode."""
    headless: bool = False
    """Record an episode, a picture and a video instead of opening the window."""
    out: Path = Path("out/demo")
    """Folder for what is recorded."""
    picture_megabytes: int = 256
    """The most that remembered camera pictures may take in memory; all others are rendered again when looked at."""


@dataclass(frozen=True)
class View:
    """Open a checkpoint, a recording, or an episode of a LeRobotDataset in the window."""

    checkpoint: Checkpoint
    """A folder, a hub id or demo:act; or a recording (a folder or a zip file), which needs no checkpoint; or a
    LeRobotDataset (a folder, or a hub id with --episode), replayed in the scene."""
    scene: str = "so101"
    """Built-in scene, path of a scene's text file, or gym:ID, an environment. A recording brings its own."""
    seed: int | None = None
    """Of the first episode. Of a dataset's episode: where the objects are put, which a dataset does not say; by default
    those of the dataset where Whiskers wrote it. 0 otherwise."""
    start: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Begin every episode at these positions of objects and joints, saved in the Objects tab, instead of where the seed
    puts them. The seed still decides the policy's random numbers."""
    dataset: str | None = None
    """Show the checkpoint's chunks over an episode of this LeRobotDataset (teacher-forced), with the two replays."""
    episode: int | None = None
    """Which episode of the dataset to show. By default 0."""
    stride: int = 1
    """With --dataset: ask the checkpoint at every so many frames."""
    cameras: Cameras = ()
    """Show the checkpoint this camera of the scene in place of one of its own, or none; of a dataset: which camera of
    the scene one of its own stands for. May be given several times."""
    joint: Joints = ()
    """Which joint of the scene one of the checkpoint's is, by its name there or its number from 0; of a dataset: one of
    another name. May be given several times."""
    units: Units = ""
    """The checkpoint's own units, where they are not the scene's: radians, degrees or range_100."""
    statistics: Statistics = None
    """Scale by the statistics of this dataset (a folder) or file instead of the checkpoint's own."""
    device: str = "cpu"
    """Where the policy runs, in torch's words."""
    picture_megabytes: int = 256
    """The most that remembered camera pictures may take in memory; all others are rendered again when looked at."""


@dataclass(frozen=True)
class Run:
    """Run episodes without a window: recordings and a summary. Or evaluate a policy on a dataset, teacher-forced."""

    checkpoint: Checkpoint
    """A folder, a hub id or demo:act."""
    scene: str = "so101"
    """Built-in scene, path of a scene's text file, or gym:ID, an environment."""
    episodes: int = 10
    """How many."""
    seed: int = 1000
    """Of the first episode; the following ones count up."""
    start: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE ...")] = ()
    """Begin the episodes at these positions of objects and joints, saved in the Objects tab, instead of where the seed
    puts them. The seed still decides the policy's random numbers. Of several files each gets all episodes."""
    out: Path | None = None
    """Folder for the recordings and summary.json. By default a new one under out/."""
    n_action_steps: int | None = None
    """Execute this many steps of each chunk instead of the checkpoint's own number."""
    temporal_ensemble: float | None = None
    """Ensemble the chunks with this coefficient, asking at every step."""
    overlap_blend: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="ADVANCE OVERLAP")] = None
    """Ask every ADVANCE steps, and cross-fade from chunk to chunk over the first OVERLAP of them."""
    delay: int = 0
    """Simulate a latency: every chunk but the first answers the observation of this many control steps ago."""
    denoising_steps: int | None = None
    """Take this many steps from noise to action instead of the checkpoint's own number (flow-matching policies)."""
    rtc: Annotated[int | None, tyro.conf.arg(metavar="HORIZON")] = None
    """Real-time chunking: draw each chunk towards what is left of the last one, up to this row (where LeRobot can)."""
    prompt: str | None = None
    """What the policy is told to do, instead of the scene's prompt (policies that read one)."""
    samples: int = 0
    """Draw and record this many further chunks at every call (ACT: latents from its prior; Pi0 and the like: noise)."""
    blind: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=MODE ...")] = ()
    """Blind inputs, for example wrist_cam=black state=mean. Modes: black, mean, noise, frozen."""
    film: bool = False
    """Make a video of each episode, beside its recording."""
    overlays: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """What to draw in the videos, for example whisker physics path. By default whisker, ghosts and path."""
    save_dataset: Annotated[Path | None, tyro.conf.arg(metavar="ROOT")] = None
    """Save the episodes as a LeRobotDataset too, in a folder of this name."""
    successes_only: bool = False
    """With --save-dataset: leave out the episodes that did not succeed."""
    on_dataset: Annotated[str | None, tyro.conf.arg(metavar="DATASET")] = None
    """Instead of driving, ask the policy at the frames of this LeRobotDataset (a folder or a hub id) and compare what
    it says with what was done there: teacher-forced evaluation."""
    episode_indices: Annotated[tuple[int, ...], tyro.conf.arg(metavar="INDEX ...")] = ()
    """With --on-dataset: which of its episodes. By default all."""
    stride: int = 1
    """With --on-dataset: ask at every so many frames."""
    joint: Joints = ()
    """Which joint of the scene one of the checkpoint's is, by its name there or its number from 0; with --on-dataset:
    one of the dataset's, of another name. May be given several times."""
    units: Units = ""
    """The checkpoint's own units, where they are not the scene's: radians, degrees or range_100."""
    statistics: Statistics = None
    """Scale by the statistics of this dataset (a folder) or file instead of the checkpoint's own."""
    cameras: Cameras = ()
    """Show the checkpoint this camera of the scene in place of one of its own, or none; with --on-dataset: which camera
    of the scene one of the dataset's stands for. May be given several times."""
    device: str = "cpu"
    """Where the policy runs, in torch's words."""
    json: bool = False
    """Print exactly one JSON object on stdout."""


@dataclass(frozen=True)
class Compare:
    """Run policies side by side, in lockstep from the same seeded start: in the window, or N paired episodes.

    Each LANE is CHECKPOINT[@SETTING=VALUE[,...]], for example demo:act@n_action_steps=10,blind.wrist_cam=black.
    Settings: n_action_steps=10, temporal_ensemble=0.01, overlap_blend=10/8, delay=3, denoising_steps=4, rtc=10
    (real-time chunking with that horizon), blind.NAME=MODE (black, mean, noise, frozen), prompt="put it, gently".
    """

    lanes: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="LANE LANE ...", help_behavior_hint="(required)"),
    ]
    """Two or more: a checkpoint each, or one checkpoint with other settings. All are compared with the first."""
    scene: str = "so101"
    """Built-in scene, path of a scene's text file, or gym:ID, an environment."""
    seed: int = 1000
    """Of the first episode; with --episodes the following ones count up."""
    start: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Begin every episode in all lanes at these positions of objects and joints, saved in the Objects tab,
    instead of where the seed puts them. The seed still decides the policy's random numbers."""
    episodes: int | None = None
    """Run this many seeds in all lanes without a window, and say what they tell: success rates, the 2x2 table,
    McNemar's exact test. Without it the window opens."""
    out: Path | None = None
    """With --episodes: folder for the recordings, summary.json and pairs.csv. By default a new one under out/."""
    cameras: Cameras = ()
    """Show a camera of the scene, or none, in place of one that a checkpoint reads. May be given several times."""
    device: str = "cpu"
    """Where the policies run, in torch's words."""
    picture_megabytes: int = 256
    """The most that remembered camera pictures may take in memory; all others are rendered again when looked at."""
    json: bool = False
    """With --episodes: print exactly one JSON object on stdout."""


@dataclass(frozen=True)
class Export:
    """Write recordings as a tiled video; or as a table, as one zip file, or as a LeRobotDataset.

    Several recordings of one scene follow one another in one video; lanes of a comparison are shown side by side. What
    is exported is what the window shows at that step.
    """

    recordings: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RECORDING [RECORDING ...]", help_behavior_hint="(required)"),
    ]
    """Folders or zip files."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """What to write; the ending decides. Video: .mp4, .gif, .webp, .mkv (lossless), none (a folder of PNG pictures).
    Table: .csv, .parquet. The recording as one file: .zip. For Rerun: .rrd."""
    dataset: Annotated[Path | None, tyro.conf.arg(metavar="ROOT")] = None
    """Save the episodes as a LeRobotDataset in a folder of this name."""
    trace: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...|all")] = ()
    """Which episodes and branches of each recording. By default the last; all are all."""
    lanes: Annotated[tuple[str, ...], tyro.conf.arg(metavar="LETTER ...")] = ()
    """Which lanes, for example B. By default all."""
    range: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="A B")] = None
    """Video: only the steps from A to B."""
    layout: Annotated[str, tyro.conf.arg(metavar="COLUMNSxROWS")] = ""
    """Video: how each lane's views are arranged, for example 3x2."""
    tile: Annotated[str, tyro.conf.arg(metavar="WIDTHxHEIGHT")] = "640x360"
    """Video: size of each view. [px]"""
    cameras: Names = ()
    """Video: the views, row by row: overview, side, front, top, close-up, tracking, a camera of the scene, policy:NAME
    for what the policy saw, or free:AZIMUTH,ELEVATION,DISTANCE. By default the first six."""
    overlays: Names = ()
    """Video: what is drawn, for example whisker physics path legend; none draws nothing. By default what the window
    draws."""
    strips: Names = ()
    """Video: bands under the views, of caption, timeline and joints."""
    speed: float = 1.0
    """Video: simulated seconds per second."""
    fps: float | None = None
    """Video: pictures per second. By default one for each control step. [Hz]"""
    keep_partial: bool = False
    """Video: when interrupted with Ctrl-C, keep what there is. Otherwise nothing is left."""
    columns: Names = ()
    """Table: which columns, for example time state action/elbow_flex. By default all."""
    successes_only: bool = False
    """Dataset: leave out the episodes that did not succeed."""
    episodes_named: Names = ()
    """Dataset: only these, for example "episode 1" or "B: episode 1". By default all."""
    image: bool = False
    """Dataset: keep pictures to the bit, as PNG in the tables, rather than as video."""
    as_seen: bool = False
    """Dataset: state and pictures as the policy was shown them, blinding included."""
    outcome: bool = False
    """Dataset: also reward, success and end of each step."""
    force: bool = False
    """Replace what has the name already."""
    json: bool = False
    """Print exactly one JSON object on stdout."""


@dataclass(frozen=True)
class Bench:
    """Print the benchmark table: ratios to raw calls, measured in one run on this machine."""

    only: tuple[str, ...] = ()
    """Measure these rows only."""
    policy: str = "demo:act"
    """Checkpoint of the rows that need one."""
    json: bool = False
    """Print exactly one JSON object on stdout."""


@dataclass(frozen=True)
class Doctor:
    """Say what is wrong with a checkpoint, a scene, or the two together, and how to mend it."""

    checkpoint: Checkpoint
    """A folder, a hub id or demo:act."""
    scene: str | None = None
    """As for `view`. Without it the checkpoint is looked at by itself."""
    no_load: bool = False
    """Read the files only: no weight is loaded and nothing is tried."""
    cameras: Cameras = ()
    """Show the checkpoint this camera of the scene in place of one of its own, or none. May be given several times."""
    units: Units = ""
    """The checkpoint's own units, where they are not the scene's: radians, degrees or range_100."""
    joint: Joints = ()
    """Which joint of the scene one of the checkpoint's is, by its name there or its number from 0. May be given several
    times; state.NAME=... and action.NAME=... say it of one of them."""
    statistics: Statistics = None
    """Scale by the statistics of this dataset (a folder) or file instead of the checkpoint's own."""
    prompt: str | None = None
    """What the policy is told to do, instead of the scene's prompt (policies that read one)."""
    xray: bool = False
    """Also tell what each step of the processors does to the numbers, at the first moment of an episode."""
    device: str = "cpu"
    """Where the policy is tried, in torch's words."""
    json: bool = False
    """Print exactly one JSON object on stdout."""


@dataclass(frozen=True)
class SceneNew:
    """Draft the text file of a scene from a robot's MJCF: joints, actuators, cameras and sites as they are found, each
    guess with what else there was to choose from. It is checked at once."""

    robot: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="ROBOT.xml")]
    """The MJCF of the robot and what is around it. It stays as it is."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Where scene.toml is written. By default beside the MJCF."""
    site_on: Annotated[str, tyro.conf.arg(metavar="BODY")] = ""
    """For a model without a site: write a copy of the MJCF too, with a site on this body, where whiskers start."""
    site_at: Annotated[tuple[float, float, float], tyro.conf.arg(metavar="X Y Z")] = (0.0, 0.0, 0.0)
    """With --site-on: where, in the body's frame. [m]"""
    force: bool = False
    """Replace what has the name already."""
    json: bool = False
    """Print exactly one JSON object on stdout."""


@dataclass(frozen=True)
class SceneCheck:
    """Say what is wrong with a scene: with its text file, its model, and what happens when it is tried."""

    scene: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SCENE")]
    """A scene's text file or folder, a built-in scene, or gym:ID."""
    json: bool = False
    """Print exactly one JSON object on stdout."""


SceneChoice = Annotated[SceneNew, tyro.conf.subcommand("new")] | Annotated[SceneCheck, tyro.conf.subcommand("check")]
Choice = (
    Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[View, tyro.conf.subcommand("view")]
    | Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Compare, tyro.conf.subcommand("compare")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
    | Annotated[
        SceneChoice, tyro.conf.subcommand("scene", description="Draft a scene from a robot's MJCF, or check a scene.")
    ]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
)


def parse(arguments: Sequence[str]) -> Demo | View | Run | Compare | Export | Doctor | SceneNew | SceneCheck | Bench:
    """What the arguments ask for. For --help it is printed, and the program ends.

    Raises:
        WhiskersError: If the arguments are not understood; one sentence instead of tyro's box.
    """
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                Choice,
                prog="whiskers",
                description="A desktop debugger for learned robot policies.",
                args=list(arguments),
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        if not complaint.getvalue():
            # --help was asked for; it went to stdout.
            raise SystemExit(0) from None
    raise WhiskersError(f"{_first_words(complaint.getvalue())} (see whiskers --help)")


def given(choice: View | Run | Export, names: Iterable[str]) -> list[str]:
    """Which of some options were given another value than their default, as they are written.

    Args:
        choice: What was asked for.
        names: Of its fields.
    """
    defaults = {each.name: each.default for each in fields(choice)}
    flag = {"cameras": "camera" if not isinstance(choice, Export) else "cameras"}
    found = [name for name in names if getattr(choice, name) != defaults[name]]
    return [f"--{flag.get(name, name).replace('_', '-')}" for name in found]


def _first_words(box: str) -> str:
    """What tyro complains about, without the box around it and the advice below."""
    # Where the terminal's encoding has no box characters, the title stands inside, above a rule of its own.
    inside = [line for each in box.splitlines() if (line := each.strip("│ ")) and not each.startswith(("╭", "╰"))]
    rules = [i for i, line in enumerate(inside) if not line.strip("─-")]
    begin = 2 if rules[:1] == [1] and "╭" not in box else 0
    end = next((rule for rule in rules if rule > begin), len(inside))
    words = " ".join(" ".join(inside[begin:end]).split()).rstrip(".")
    return words or "The arguments were not understood"
