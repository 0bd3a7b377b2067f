"""LeRobot's VQ-BeT as a Whiskers policy: a transformer over its last observations that draws the codes of a residual
vector quantiser, and adds an offset to the action chunk that they stand for.

Source of the method: Lee et al. 2024, "Behavior Generation with Latent Actions". There is no n_action_steps: LeRobot
executes the whole chunk of `action_chunk_size`.
"""

from __future__ import annotations

from lerobot.policies.vqbet.configuration_vqbet import VQBeTConfig
from lerobot.policies.vqbet.modeling_vqbet import VQBeTPolicy

from policies.checkpoint import CONFIG, Checkpoint, CheckpointError
from policies.generic import Form, GenericPolicy, generic_config, load_form
from policies.progress import OnCall, Report


def load_vqbet(checkpoint: Checkpoint, device: str, report: Report, on_call: OnCall) -> GenericPolicy:
    """The policy of a checkpoint, verified and tried once.

    Args:
        checkpoint: A checkpoint of type `vqbet`.
        device: torch's name of where the model is to run.
        report: Told the progress.
        on_call: Not told anything: a call is one step.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
    """
    config = generic_config(checkpoint, VQBeTConfig, device)
    if config.env_state_feature is not None:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.folder / CONFIG} lists an environment state, which LeRobot's VQ-BeT does not "
            "read and then counts its tokens wrongly; remove it from input_features."
        )

    def check_codes(model: VQBeTPolicy) -> None:
        if not model.vqbet.action_head.vqvae_model.discretized:
            raise CheckpointError(
                f"Checkpoint {checkpoint.folder} is from the first part of a VQ-BeT training, in which the codes have "
                f"no actions yet; take one from after step {config.n_vqvae_training_steps} (n_vqvae_training_steps)."
            )

    return GenericPolicy(load_form(checkpoint, Form(VQBeTPolicy, check=check_codes), config, device, report))
