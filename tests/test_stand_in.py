"""What LeRobot's modules name at their top, and nobody imports until it is used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("transformers", "peft", "diffusers", "torch._dynamo", "sympy", "lerobot.configs.train", "lerobot.envs")
SCRIPT = f"""
import json, sys
from policies.load import load
load("demo:act")
loaded = [name for name in {HEAVY!r} if name in sys.modules]
from lerobot.configs.train import TrainPipelineConfig
from lerobot.policies import pretrained
from lerobot.processor import tokenizer_processor
from lerobot.utils import import_utils
from torchvision.ops.roi_align import is_compile_supported
import peft
print(json.dumps({{
    "loaded": loaded,
    "is_class": isinstance(TrainPipelineConfig, type),
    "same": pretrained.PeftType.LORA is peft.PeftType.LORA,
    "mapping": pretrained.PEFT_TYPE_TO_CONFIG_MAPPING["LORA"].__name__,
    "method": tokenizer_processor.AutoTokenizer.from_pretrained.__self__.__module__,
    "called": is_compile_supported("mps"),
    "known": [import_utils._transformers_available, import_utils._peft_available, import_utils._diffusers_available],
}}))
"""


@pytest.mark.slow
def test_heavy_packages_come_when_they_are_used() -> None:
    """An ACT loads without transformers, peft, diffusers and torch's compiler; afterwards all of them are there for
    whoever asks, through the names that LeRobot's modules already took."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found == {
        "loaded": [],
        "is_class": True,
        "same": True,
        "mapping": "LoraConfig",
        "method": "transformers.models.auto.tokenization_auto",
        "called": False,
        "known": [True, True, True],
    }
