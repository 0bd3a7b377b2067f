"""LeRobot's Pi0 as a Whiskers policy, of its full size (`pi0`) and of a small one (`tiny_pi0`). See `policies.flow`."""

from __future__ import annotations

from lerobot.policies.pi0.modeling_pi0 import PI0Policy

from policies.checkpoint import Checkpoint
from policies.flow import FlowPolicy, Form, load_flow
from policies.openpi import refuse_openpi_names
from policies.progress import OnCall, Report
from policies.tiny_pi0.modeling_tiny_pi0 import TinyPI0Policy


def load_pi0(checkpoint: Checkpoint, device: str, report: Report, on_call: OnCall) -> FlowPolicy:
    """The policy of a checkpoint of type `pi0` or `tiny_pi0`. Arguments and errors as of `load_flow`."""
    refuse_openpi_names(checkpoint, PI0Policy.__name__)
    policy_class = {each.name: each for each in (PI0Policy, TinyPI0Policy)}[checkpoint.kind]
    form = Form(policy_class, steps="num_inference_steps", eyes="paligemma_with_expert")
    return load_flow(checkpoint, form, device, report, on_call)
