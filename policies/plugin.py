"""Policy types without an adapter of ours: those of installed plugins, and those of LeRobot that need large files which
are not part of a checkpoint.

Only packages that are installed already are imported; nothing that a checkpoint names is run or downloaded.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import torch
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from safetensors import safe_open

from policies.checkpoint import CONFIG, Checkpoint, CheckpointError
from policies.closed import BroughtCodeError, closed_room
from policies.generic import Form, GenericPolicy, LoadedModel, generic_config, load_form, with_model
from policies.model import reason
from policies.packages import is_lerobots, plugins
from policies.progress import OnCall, Progress, Report, within

NEEDS: Mapping[str, str] = MappingProxyType(
    {
        "pi0_fast": "the tokenizers google/paligemma-3b-pt-224 and lerobot/fast-action-tokenizer",
        "groot": "nvidia/GR00T-N1.7-3B and nvidia/Cosmos-Reason2-2B",
        "evo1": "OpenGVLab/InternVL3-1B-hf",
        "eo1": "Qwen/Qwen2.5-VL-3B-Instruct",
        "wall_x": "x-square-robot/wall-oss-flow and lerobot/fast-action-tokenizer",
        "molmoact2": "allenai/MolmoAct2 and allenai/MolmoAct2-FAST-Tokenizer",
        "fastwam": "Wan-AI/Wan2.2-TI2V-5B, its -Diffusers version and google/umt5-xxl",
        "lingbot_va": "robbyant/lingbot-va-base",
        "vla_jepa": "Qwen/Qwen3-VL-2B-Instruct and facebook/vjepa2-vitl-fpc64-256",
    }
)
"""What LeRobot 0.6.1 takes from the hub for a checkpoint of a type, unless its config.json names something else."""


def load_other(checkpoint: Checkpoint, device: str, report: Report, on_call: OnCall) -> GenericPolicy:
    """The policy of a checkpoint, through the interface that LeRobot asks of every policy, tried once.

    Args:
        checkpoint: Of any type that LeRobot or an installed plugin has registered.
        device: torch's name of where the model is to run.
        report: Told the progress.
        on_call: Not told anything: nothing is known of what happens in a call.

    Raises:
        CheckpointError: If nothing brings the type, a plugin fails, or the checkpoint cannot be used.
    """
    report(Progress(f"Looking for {checkpoint.kind}", 0.0))
    with _explained(checkpoint), closed_room():
        policy_class = _policy_class(checkpoint)
        config = generic_config(checkpoint, policy_class.config_class, device)
        form = Form(policy_class, quick=False)
        if _loads_itself(policy_class):
            return GenericPolicy(_by_itself(checkpoint, form, config, device, report))
        return GenericPolicy(load_form(checkpoint, form, config, device, report))


def _policy_class(checkpoint: Checkpoint) -> type[PreTrainedPolicy]:
    """LeRobot's class of the checkpoint's type, from whichever package brings it."""
    failed: dict[str, BaseException] = {}
    kind = checkpoint.kind
    if is_lerobots(kind):
        with _importing(checkpoint, "lerobot"):
            importlib.import_module(f"lerobot.policies.{kind}.configuration_{kind}")
    else:
        for name in plugins():
            try:
                importlib.import_module(name)
            except (Exception, SystemExit) as error:  # A package from anywhere does whatever it likes.
                failed[name] = error
    choices: Mapping[str, type[PreTrainedConfig]] = PreTrainedConfig.get_known_choices()
    package = choices[kind].__module__.partition(".")[0] if kind in choices else None
    if package is None or package in failed:
        raise CheckpointError(_nobody_brings(checkpoint, failed))
    from lerobot.policies.factory import get_policy_class

    with _importing(checkpoint, package):
        policy_class: type[PreTrainedPolicy] = get_policy_class(kind)
        # Not everyone's package imports the steps of its processors, which register themselves.
        processor = choices[kind].__module__.replace("configuration_", "processor_")
        if importlib.util.find_spec(processor) is not None:
            importlib.import_module(processor)
    return policy_class


@contextmanager
def _importing(checkpoint: Checkpoint, package: str) -> Iterator[None]:
    """While in force, what goes wrong is the package's fault."""
    try:
        yield
    except (Exception, SystemExit) as error:  # A package from anywhere does whatever it likes.
        raise CheckpointError(
            f"Checkpoint {checkpoint.folder} is of policy type {checkpoint.kind!r}, which {package} brings and which "
            f"cannot be imported from there ({reason(error)}); mend or update that package."
        ) from error


def _nobody_brings(checkpoint: Checkpoint, failed: Mapping[str, BaseException]) -> str:
    if failed:
        named = ", ".join(f"{name} ({reason(error)})" for name, error in failed.items())
        return (
            f"Checkpoint file {checkpoint.folder / CONFIG} is of policy type {checkpoint.kind!r}, which may be of a "
            f"plugin that cannot be imported: {named}; mend or update that package."
        )
    return (
        f"Checkpoint file {checkpoint.folder / CONFIG} is of policy type {checkpoint.kind!r}, which none of the "
        f"installed plugins brings ({', '.join(plugins()) or 'there is none'}); install the one that does."
    )


@contextmanager
def _explained(checkpoint: Checkpoint) -> Iterator[None]:
    """While in force, a failure for want of files or packages says which those are."""
    try:
        yield
    except CheckpointError as error:
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        needs, kind = NEEDS.get(checkpoint.kind), checkpoint.kind
        if isinstance(root, BroughtCodeError):
            raise CheckpointError(
                f"Checkpoint {checkpoint.folder} is of type {kind}, and {root}; code that a checkpoint or a repository "
                "brings along is not run, so open one that needs none."
            ) from error
        if needs is None or not isinstance(root, (OSError, ImportError, RuntimeError)):
            raise
        if isinstance(root, ImportError):
            raise CheckpointError(
                f"Checkpoint {checkpoint.folder} is of LeRobot's type {kind}, whose packages are not all installed "
                f"({reason(root)}); beside them it needs {needs}, to be fetched with `hf download`."
            ) from error
        absent = isinstance(root, (LocalEntryNotFoundError, OfflineModeIsEnabled))
        raise CheckpointError(
            f"Checkpoint {checkpoint.folder} is of LeRobot's type {kind}, which is built from more than its own files: "
            f"it needs {needs}, of which not all is here ({'not in the local cache' if absent else reason(root)}); "
            "fetch that once with `hf download`."
        ) from error


def _loads_itself(policy_class: type[PreTrainedPolicy]) -> bool:
    """Whether a class has a loader of its own, which may rename tensors or fetch others."""
    own = (policy_class.from_pretrained, policy_class._load_as_safetensor)
    theirs = (PreTrainedPolicy.from_pretrained, PreTrainedPolicy._load_as_safetensor)
    return any(a.__func__ is not b.__func__ for a, b in zip(own, theirs, strict=True))


def _by_itself(
    checkpoint: Checkpoint, form: Form, config: PreTrainedConfig, device: str, report: Report
) -> LoadedModel:
    """The model as its own loader makes it, with those tensors verified that have kept their names."""
    if checkpoint.base is not None:
        raise CheckpointError(
            f"Checkpoint {checkpoint.folder} is a PEFT adapter of type {checkpoint.kind}, which loads in its own way; "
            "merge it into its base policy and open what that gives."
        )
    report(Progress("Loading with the policy's own loader", 0.1))
    try:
        model = form.policy_class.from_pretrained(str(checkpoint.folder), config=config)
    except Exception as error:  # A loader that is fed a file from anywhere raises whatever it likes.
        raise CheckpointError(
            f"Checkpoint {checkpoint.folder} cannot be loaded by {form.policy_class.__name__}'s own loader "
            f"({reason(error)}); use the package version that saved it."
        ) from error
    model.to(device)
    model.eval()
    model.requires_grad_(False)
    verified = _verified(checkpoint, model)
    return with_model(checkpoint, form, config, model, verified, device, within(report, 0.8, 1.0))


def _verified(checkpoint: Checkpoint, model: PreTrainedPolicy) -> int:
    """How many of the file's tensors are in the model by the same name and to the bit.

    Some loaders print that they failed, and return a random model: a tensor that differs, or none found, is a failure.
    """
    state = model.state_dict()
    found = 0
    with safe_open(checkpoint.weights, framework="pt") as file:
        for name in checkpoint.tensors:
            if name not in state:
                continue
            if not torch.equal(file.get_tensor(name).to(state[name].dtype), state[name].cpu()):
                found = 0
                break
            found += 1
    if found == 0:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.weights} did not reach the model: {type(model).__name__}'s own loader left "
            "other values there; use the package version that saved it."
        )
    return found
