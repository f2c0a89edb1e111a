"""ftlab: find out what fine-tuning really does.

Importing the package is light: torch and transformers are imported where they are used. It sets
a few environment defaults first, because they are read when those libraries are imported.
"""

import os

__version__ = "0.1.0"

# Threads that spin while they wait lose most of their speed as soon as a second process is busy.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# The lab never reports home, and its models need no tokenizer threads beside torch's.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
