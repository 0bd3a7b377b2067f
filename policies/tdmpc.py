"""LeRobot's TD-MPC as a Whiskers policy: at each call it plans in a learnt world model, by drawing many action
sequences and keeping the best (the cross-entropy method, CEM).

Source of the method: Hansen et al. 2022, "Temporal Difference Learning for Model Predictive Control"; Feng et al. 2023,
"Finetuning Offline World Models in the Real World".

LeRobot begins each plan with the mean of the plan before, a warm start that a policy without memory cannot have: **here
each call plans from scratch**, as LeRobot's first call after a reset does. With the warm start cleared before each
call, LeRobot's actions are these to the bit.
"""

from __future__ import annotations

from lerobot.policies.tdmpc.configuration_tdmpc import TDMPCConfig
from lerobot.policies.tdmpc.modeling_tdmpc import TDMPCPolicy

from policies.asker import Source
from policies.checkpoint import CONFIG, Checkpoint, CheckpointError
from policies.generic import Form, GenericPolicy, generic_config, load_form
from policies.progress import OnCall, Report

_CAMERA = "observation.image"
"""The only name of a camera that LeRobot's TD-MPC looks up."""


def load_tdmpc(checkpoint: Checkpoint, device: str, report: Report, on_call: OnCall) -> GenericPolicy:
    """The policy of a checkpoint, verified and tried once.

    Its chunk is the plan of `horizon` actions, of which LeRobot executes n_action_steps. With n_action_repeats above 1
    LeRobot executes the plan's first action so many times, so the chunk is that; without planning (use_mpc false) it
    is one action.

    Args:
        checkpoint: A checkpoint of type `tdmpc`.
        device: torch's name of where the model is to run.
        report: Told the progress.
        on_call: Not told anything: a call is one step.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
    """
    config = generic_config(checkpoint, TDMPCConfig, device)
    others = [key for key in config.image_features if key != _CAMERA]
    if others:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.folder / CONFIG}: LeRobot's TD-MPC looks at a camera by the name {_CAMERA} "
            f"alone, and this one is {others[0]}; rename it there and in the processor files."
        )
    if config.robot_state_feature is None:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.folder / CONFIG} lists no observation.state, which LeRobot's TD-MPC always "
            "reads; add it to input_features, or train it with one."
        )
    plan = Source(time_first=True) if config.n_action_repeats == 1 else None
    return GenericPolicy(load_form(checkpoint, Form(TDMPCPolicy, plan), config, device, report))
