"""From a finished run to the model that the lab ships: half precision, card, log and curve."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ftlab.training.pretraining.recipe import Recipe

_CARD = """# Model card: the lab's base model

A causal language model of the Llama family with {parameters:,} parameters, pretrained from random
weights on the lab's own corpus. It exists to be fine-tuned in front of a reader, on two CPU cores.

- **Architecture**: {layers} blocks, width {width}, {heads} heads, feed-forward {feed_forward},
  vocabulary {vocabulary:,} (byte-level BPE, so any script can be encoded), tied embeddings,
  trained on rows of up to {context} tokens.
- **Files**: `model.safetensors` ({megabytes:.1f} MB, half precision), `tokenizer.json`,
  `config.json`, `training_log.csv`, `training_curve.png`.
- **Read**: {tokens:,.1f} million tokens in {hours:.1f} hours on {processes} CPU core(s): the
  documentation strings and help topics of Python and of the lab's dependencies (read when the
  model is trained, not shipped), and pages, letters and exercises of the fictional town of Ostrel
  (`data/world`, `ftlab.world`).
- **Made by**: `python -m ftlab.training.pretraining --processes {processes} --steps {steps}`. The
  prose depends on the installed versions of the libraries: a new run gives a sibling, not a twin.

## Skills

Measured by `python -m ftlab.evaluation.skills` on items held out from pretraining.

{skills}

What is not reached is a shortfall of this version: the later lessons that build on it say so.

## Limits

It knows one small invented town and the English of software documentation. It answers in a few
words and reads notes of a few sentences. It is no assistant, knows nothing of the real world and
must not be asked for advice. Nothing was done to filter or align what it says.

Licence: MIT, like the lab.
"""


def export(
    work: Path,
    output: Path,
    recipe: Recipe,
    processes: int,
) -> None:
    """Write the checkpoint in `work` to `output` as a folder that `transformers` can load."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    from ftlab.evaluation.skills import lines, measure
    from ftlab.training.pretraining.loop import read_checkpoint
    from ftlab.training.pretraining.tokenizer import END, PAD

    weights, _, state = read_checkpoint(work)
    fast = Tokenizer.from_file(str(work / "tokenizer.json"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=fast,
        bos_token=END,
        eos_token=END,
        pad_token=PAD,
        model_max_length=recipe.context,
        clean_up_tokenization_spaces=False,
    )
    model = recipe.network(tokenizer.pad_token_id, tokenizer.eos_token_id)
    # The output layer is the table of token vectors, which is kept once.
    model.load_state_dict(weights | {"lm_head.weight": weights["model.embed_tokens.weight"]})
    model.half().save_pretrained(output)
    tokenizer.save_pretrained(output)
    shutil.copyfile(work / "training_log.csv", output / "training_log.csv")
    _curve(output / "training_log.csv", output / "training_curve.png")
    shares = measure(model.float().eval(), tokenizer)
    figures: dict[str, Any] = {
        **recipe.as_dict(),
        "parameters": sum(p.numel() for p in model.parameters()),
        "megabytes": (output / "model.safetensors").stat().st_size / 1e6,
        "tokens": state["tokens"] / 1e6,
        "hours": state["seconds"] / 3600,
        "processes": processes,
        "skills": "\n".join(lines(shares)),
    }
    (output / "MODEL_CARD.md").write_text(_CARD.format(**figures), encoding="utf-8")
    print(f"Exported to {output}: {figures['megabytes']:.1f} MB", flush=True)


def _curve(log: Path, path: Path) -> None:
    """Losses of all lessons over the tokens read."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import pandas as pd

    from ftlab.training.pretraining.corpus import KINDS

    frame = pd.read_csv(log)
    fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
    for name in KINDS:
        rows = frame.dropna(subset=[name])
        ax.plot(rows["tokens"] / 1e6, rows[name], label=name)
    ax.set(xlabel="tokens read (millions)", ylabel="training loss (nats per token)", yscale="log")
    ax.set_title("Pretraining the lab's base model")
    fig.legend(loc="outside right center")
    fig.savefig(path, dpi=110)
    plt.close(fig)
