"""LeRobot's Pi0.5 as a Whiskers policy. It reads the state as words of its prompt. See `policies.flow`."""

from __future__ import annotations

from lerobot.policies.pi05.modeling_pi05 import PI05Policy

from policies.checkpoint import Checkpoint
from policies.flow import FlowPolicy, Form, load_flow
from policies.openpi import refuse_openpi_names
from policies.progress import OnCall, Report


def load_pi05(checkpoint: Checkpoint, device: str, report: Report, on_call: OnCall) -> FlowPolicy:
    """The policy of a checkpoint of type `pi05`. Arguments and errors as of `load_flow`."""
    refuse_openpi_names(checkpoint, PI05Policy.__name__)
    form = Form(PI05Policy, steps="num_inference_steps", eyes="paligemma_with_expert")
    return load_flow(checkpoint, form, device, report, on_call)
