"""What Pi0 and Pi0.5 owe to openpi, where both come from."""

from __future__ import annotations

from policies.checkpoint import Checkpoint, CheckpointError

_NAMES = ("paligemma_with_expert.", "action_", "state_proj.", "time_mlp_")
"""How tensor names begin in openpi's files. LeRobot renames them as it loads them."""


def refuse_openpi_names(checkpoint: Checkpoint, policy_class: str) -> None:
    """Complain of weights as openpi names them.

    Args:
        checkpoint: Whose weights.
        policy_class: LeRobot's name of the class that can rename them.

    Raises:
        CheckpointError: If there are such.
    """
    names = [name for name in checkpoint.tensors if name.startswith(_NAMES)]
    if names:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.weights} names its tensors as openpi does ({names[0]} and {len(names) - 1} "
            f'more) without the "model." of LeRobot; save it once more with LeRobot\'s {policy_class}.from_pretrained '
            "and save_pretrained."
        )
