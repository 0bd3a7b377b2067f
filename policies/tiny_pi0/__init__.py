"""A Pi0 small enough for a laptop's CPU, as a policy type of its own for LeRobot: `tiny_pi0`.

Model, training objective and sampler are LeRobot's own PI0. Only the sizes of Gemma and SigLIP differ, which LeRobot
fixes in code, and the tokenizer, which for PI0 is a download behind a licence. LeRobot finds the type as any plugin:

    lerobot-train --policy.discover_packages_path=policies.tiny_pi0 --policy.type=tiny_pi0 ...

The three modules are named as LeRobot's factories look for them. Importing the package registers type and processor.
"""

from policies.tiny_pi0.configuration_tiny_pi0 import TinyPI0Config
from policies.tiny_pi0.processor_tiny_pi0 import TinyTokenizerStep

__all__ = ["TinyPI0Config", "TinyTokenizerStep"]
