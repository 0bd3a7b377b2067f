"""What the commands do with LeRobotDatasets: save episodes as one, and open an episode of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recordings.dataset_in import is_dataset, open_dataset
from recordings.dataset_out import DatasetOptions, DatasetStoppedError, WrittenDataset, check_dataset, write_dataset
from recordings.folder import is_recording
from recordings.takes import Take
from viewer_app.command_line import View, given
from viewer_app.demonstration import Demonstration
from viewer_app.scene import Scene
from viewer_app.teacher import evaluate
from viewer_app.terminal import load_policy, progress_bar, say, stop_on_interrupt
from viewer_app.trace import Trace
from viewer_app.types import WhiskersError


def save_dataset(root: Path, takes: Sequence[Take], options: DatasetOptions) -> WrittenDataset | None:
    """Save episodes, with the progress on stderr.

    Returns:
        What was written; None if it was interrupted, and nothing was left.

    Raises:
        WhiskersError: If it cannot be written. Nothing is left of it.
    """
    check_dataset(root, takes, options)
    # Importing LeRobot's writer takes longer than many an episode.
    say(f"Saving {len(takes)} {'episode' if len(takes) == 1 else 'episodes'} as dataset {root}.")
    with progress_bar("frame") as report, stop_on_interrupt() as stop:
        try:
            return write_dataset(root, takes, options, report, stop)
        except DatasetStoppedError as error:
            say(str(error))
            return None


def shows_dataset(choice: View) -> bool:
    """Whether `view` is to show an episode of a dataset.

    Raises:
        WhiskersError: If options are about a dataset and there is none.
    """
    if choice.dataset is not None:
        return True
    # A hub id does not say what it is of, but only a dataset has episodes.
    recorded = is_recording(Path(choice.checkpoint))
    if not recorded and (is_dataset(choice.checkpoint) or choice.episode is not None):
        return True
    wrong = given(choice, ("episode", "stride"))
    if wrong:
        raise WhiskersError(f"{', '.join(wrong)} is about an episode of a dataset; name one with --dataset.")
    return False


def shown_episode(choice: View) -> tuple[Demonstration, Trace | None]:
    """The episode that `view` is to show, and what the checkpoint says about it if one was named.

    Raises:
        WhiskersError: If the episode cannot be opened, or the checkpoint cannot be asked about it.
    """
    if choice.dataset is None and given(choice, ("stride",)):
        raise WhiskersError("--stride says at how many frames a checkpoint is asked; name it, and --dataset.")
    if choice.start is not None:
        raise WhiskersError("--start is for new episodes; the episode of a dataset begins where it was recorded.")
    mends = given(choice, ("units", "statistics"))
    if mends:
        raise WhiskersError(f"{' and '.join(mends)} mends a checkpoint that drives; leave it out with a dataset.")
    scene = Scene.load(choice.scene)
    source = choice.checkpoint if choice.dataset is None else choice.dataset
    demonstration = open_dataset(source).open(choice.episode or 0, scene, choice.cameras, choice.joint)
    if choice.seed is not None:
        demonstration = replace(demonstration, seed=choice.seed)
    if choice.dataset is None:
        return demonstration, None
    policy = load_policy(choice.checkpoint, choice.device)
    with progress_bar("frame") as report, stop_on_interrupt() as stop:
        asked = evaluate(policy, demonstration, choice.stride, report, stop)
    if not asked.complete:
        say(f"Interrupted after {len(asked.frames)} frames; the others show no whisker.")
    return demonstration, asked.trace
