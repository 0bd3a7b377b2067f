"""From what a person types to a policy in this process, and the table of the policy types that Whiskers can run.

To add a type: one adapter module with a function like `act.load_act`, and one row here. torch, LeRobot and the adapter
are imported when a checkpoint of that type is loaded, not before. A plugin of LeRobot's needs neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policies.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from policies.packages import is_lerobots, plugins, unknown_kind
from policies.progress import OnCall, Progress, Report, ignore, unheard, within
from policies.source import find_folder
from policies.stand_in import import_lerobot
from policies.statistics import read_given
from viewer_app.types import Policy, WhiskersError

REMOTE = "remote:"
"""What the name of a policy on a server begins with."""

Loader = Callable[[Checkpoint, str, Report, OnCall], Policy]
"""(checkpoint, device, report, on_call) to the policy."""


def _act() -> Loader:
    from policies.act import load_act

    return load_act


def _pi0() -> Loader:
    from policies.pi0 import load_pi0

    return load_pi0


def _pi05() -> Loader:
    from policies.pi05 import load_pi05

    return load_pi05


def _smolvla() -> Loader:
    from policies.smolvla import load_smolvla

    return load_smolvla


def _diffusion() -> Loader:
    from policies.diffusion import load_diffusion

    return load_diffusion


def _multi_task_dit() -> Loader:
    from policies.multi_task_dit import load_multi_task_dit

    return load_multi_task_dit


def _vqbet() -> Loader:
    from policies.vqbet import load_vqbet

    return load_vqbet


def _tdmpc() -> Loader:
    from policies.tdmpc import load_tdmpc

    return load_tdmpc


def _xvla() -> Loader:
    from policies.xvla import load_xvla

    return load_xvla


def _other() -> Loader:
    from policies.plugin import load_other

    return load_other


ADAPTERS: Mapping[str, Callable[[], Loader]] = {
    "act": _act,
    "pi0": _pi0,
    "tiny_pi0": _pi0,
    "pi05": _pi05,
    "smolvla": _smolvla,
    "diffusion": _diffusion,
    "multi_task_dit": _multi_task_dit,
    "vqbet": _vqbet,
    "tdmpc": _tdmpc,
    "xvla": _xvla,
}
"""LeRobot's policy type to what imports its adapter. Any other type is for `policies.plugin`."""


def load(
    source: str, report: Report = ignore, device: str = "cpu", on_call: OnCall = unheard, statistics: str = ""
) -> Policy:
    """The policy of a checkpoint, in this process.

    Sets torch to one thread. On two cores its second thread waits for the window and the physics, and they for it: a
    small ACT's chunk takes 64 ms in the median and 234 ms at worst with two threads, 53 ms and 56 ms with one.

    Args:
        source: A folder, `demo:NAME` or a hub id, see `source.find_folder`; or `remote:HOST:PORT/CHECKPOINT`, see
            `remote.load_remote`.
        report: Told the progress; it may raise `LoadingCancelledError`.
        device: torch's name of where the model is to run.
        on_call: Told during each call of the policy how far it is, where the policy takes several steps.
        statistics: A dataset's folder, or a file of statistics, to scale by instead of the checkpoint's own; empty for
            the checkpoint's own. See `statistics.read_given`.

    Raises:
        WhiskersError: If there is no such checkpoint, or it cannot be used.
    """
    if source.startswith(REMOTE):
        if statistics:
            raise WhiskersError(
                f"A policy server scales {source} by the checkpoint's own statistics; leave other ones out."
            )
        return _load_remote(source, device, report)
    fetched = 0.0

    def hear(progress: Progress) -> None:
        nonlocal fetched
        fetched = progress.fraction
        report(progress)

    place = find_folder(source, within(hear, 0.0, 0.8))
    # What was downloaded took longer than all that follows.
    report = within(report, fetched, 1.0)
    given = read_given(statistics, place.folder) if statistics else None
    checkpoint = read_checkpoint(place, within(report, 0.0, 0.05), given)
    if checkpoint.kind not in ADAPTERS and not is_lerobots(checkpoint.kind) and not plugins():
        raise CheckpointError(unknown_kind(checkpoint, ADAPTERS))
    report(Progress("Importing torch", 0.05))
    import torch

    torch.set_num_threads(1)
    _check_device(device)
    report(Progress(f"Importing LeRobot's {checkpoint.kind}", 0.35))
    import_lerobot()
    load_kind = ADAPTERS.get(checkpoint.kind, _other)()
    policy = load_kind(checkpoint, device, within(report, 0.9, 1.0), on_call)
    report(Progress("Ready", 1.0))
    return policy


def _load_remote(source: str, device: str, report: Report) -> Policy:
    report(Progress("Importing torch and gRPC", 0.0))
    try:
        from policies.remote import load_remote
    except ModuleNotFoundError as error:
        raise WhiskersError(
            f"Policies on a server need {error.name}, which is missing: pip install 'whiskers-viewer[remote]'."
        ) from None
    return load_remote(source, device, report)


def _check_device(device: str) -> None:
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise WhiskersError(
            f"Device {device!r} is not available here ({str(error).strip().splitlines()[0]}); use cpu."
        ) from None
