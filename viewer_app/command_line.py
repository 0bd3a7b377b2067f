"""What can be asked on the command line, and how it is read.

Nothing heavy is imported here: `whiskers --help` needs neither MuJoCo nor torch.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from viewer_app.types import WhiskersError

Cameras = Annotated[
    tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="camera", metavar="CHECKPOINT_CAMERA=SCENE_CAMERA")
]
Checkpoint = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="CHECKPOINT")]


@dataclass(frozen=True)
class Demo:
    """Open the built-in scene, robot and trained checkpoint in the window. Without a display, record an episode."""

    policy: str = "demo:act"
    """Checkpoint that drives: a folder, a hub id, or a demo's name."""
    scene: str = "so101"
    """Built-in scene, or the path of a scene's text file."""
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
    """Open a checkpoint, or a recording, in the window."""

    checkpoint: Checkpoint
    """A folder, a hub id or demo:act; or the folder of a recording, which needs no checkpoint."""
    scene: str = "so101"
    """Built-in scene, or the path of a scene's text file. A recording brings its own."""
    seed: int = 0
    """Of the first episode."""
    cameras: Cameras = ()
    """Show the checkpoint this camera of the scene in place of one of its own, or none. May be given several times."""
    device: str = "cpu"
    """Where the policy runs, in torch's words."""
    picture_megabytes: int = 256
    """The most that remembered camera pictures may take in memory; all others are rendered again when looked at."""


@dataclass(frozen=True)
class Run:
    """Run episodes without a window: recordings and a summary."""

    checkpoint: Checkpoint
    """A folder, a hub id or demo:act."""
    scene: str = "so101"
    """Built-in scene, or the path of a scene's text file."""
    episodes: int = 10
    """How many."""
    seed: int = 1000
    """Of the first episode; the following ones count up."""
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
    cameras: Cameras = ()
    """Show the checkpoint this camera of the scene in place of one of its own, or none. May be given several times."""
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
    """Built-in scene, or the path of a scene's text file."""
    seed: int = 1000
    """Of the first episode; with --episodes the following ones count up."""
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
class Bench:
    """Print the benchmark table: ratios to raw calls, measured in one run on this machine."""

    only: tuple[str, ...] = ()
    """Measure these rows only."""
    policy: str = "demo:act"
    """Checkpoint of the rows that need one."""
    json: bool = False
    """Print exactly one JSON object on stdout."""


Choice = (
    Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[View, tyro.conf.subcommand("view")]
    | Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Compare, tyro.conf.subcommand("compare")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
)


def parse(arguments: Sequence[str]) -> Demo | View | Run | Compare | Bench:
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


def _first_words(box: str) -> str:
    """What tyro complains about, without the box around it and the advice below."""
    # Where the terminal's encoding has no box characters, the title stands inside, above a rule of its own.
    inside = [line for each in box.splitlines() if (line := each.strip("│ ")) and not each.startswith(("╭", "╰"))]
    rules = [i for i, line in enumerate(inside) if not line.strip("─-")]
    begin = 2 if rules[:1] == [1] and "╭" not in box else 0
    end = next((rule for rule in rules if rule > begin), len(inside))
    words = " ".join(" ".join(inside[begin:end]).split()).rstrip(".")
    return words or "The arguments were not understood"
