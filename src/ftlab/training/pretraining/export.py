"""From a finished run to the model that the lab ships: half precision, card, log and curve."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ftlab.evaluation.skills import WANTED
from ftlab.training.pretraining.corpus import KINDS, MIXES
from ftlab.training.pretraining.diet import Source, read_manifest
from ftlab.training.pretraining.lessons import TEXT
from ftlab.training.pretraining.recipe import Cycle, Recipe

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

MANIFEST = "corpus.toml"
POINTS = 8  # snapshots whose skills are measured
LARGEST = 25  # sources that the card names

_CARD = """# Model card: the lab's base model

A causal language model of the Llama family with {parameters:,} parameters, pretrained from random
weights on the lab's own corpus. It exists to be fine-tuned in front of a reader, on two CPU cores.

- **Architecture**: {layers} blocks, width {width}, {heads} heads, feed-forward {feed_forward},
  vocabulary {vocabulary:,} (byte-level BPE, so any script can be encoded), tied embeddings,
  trained on rows of up to {longest} tokens.
- **Files**: `model.safetensors` ({megabytes:.1f} MB, half precision), `tokenizer.json`,
  `config.json`, `corpus.toml`, `training_log.csv`, `skills_log.csv`,
  `training_curve.png` (what both say, over the tokens read).
- **Read**: {tokens:,.1f} million tokens in {hours:.1f} hours on {processes} CPU core(s).
- **Made by**: `python -m ftlab.training.pretraining --processes {processes} --steps {steps}`. The
  versions of the packages decide the prose: a new run gives a sibling, not a twin.

## How it was made

1. **Wired start.** {wired}
2. **Copying lessons**, {copied} steps: strings of random tokens, to be said again.
3. **Texts and exercises**, {steps:,} steps. Each step has batches of both.
   - *Texts*: English prose (below), shop talk and pages of the town of Ostrel. The loss is that of
     the next token and, on the same pass, of finding the second half of a text by its first among
     all of the batch, by mean and by maximum of the last hidden states.
   - *Exercises* on the town (`ftlab.world`), learned above all on their answers, which weigh
     {answers:.0f} times as much as the words around them.

The optimizer is AdamW. The learning rate rises to {learning_rate} and falls to zero in {cycles}
cycles. From the second on a text's half is told from more others, and the exercises that the model
knew least get more of the tokens:

| cycle | until step | texts a step | windows of exercises | weight of texts | of contrast |
| ---: | ---: | ---: | ---: | ---: | ---: |
{shapes}

Share of the exercises' tokens and weight of the loss, by cycle:

| exercise | {columns} |
| --- | {rules} |
{exercises}

## The English it read

Prose of {sources} packages of Debian and of Python, {prose:.0f} MB after cleaning: fetched when the
model is trained, not shipped. `corpus.toml` has every package with version, hash and licence. The
largest, and how often each is read compared with others:

| source | licence | MB | weight |
| --- | --- | ---: | ---: |
{diet}

Kept from it, to measure on: {held_out}.

## Skills

Measured by `python -m ftlab.evaluation.skills` on items held out from pretraining.

{skills}

What is not reached is a shortfall of this version: the later lessons that build on it say so.

## Limits

It knows one small invented town, the words of shops and payments, and the English of software
documentation and dictionaries. It answers in a few words and reads notes of a few sentences. It is
no assistant, knows nothing of the real world and must not be asked for advice. Offensive words,
politics and quotations were left out of its reading; nothing else was done to align what it says.

Licence: MIT, like the lab.
"""
_WIRED = {
    True: """An induction circuit was written into the random weights of the first two blocks
   (`ftlab.training.pretraining.wiring`): a start that can already copy. Training is free to keep,
   sharpen or unlearn it.""",
    False: "None: all weights began random.",
}


def export(
    work: Path,
    output: Path,
    recipe: Recipe,
    processes: int,
    manifest: Path,
) -> None:
    """Write the checkpoint in `work` to `output` as a folder that `transformers` can load.

    `manifest`: the list of what was read; the card tells of it, and it goes along.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    from ftlab.evaluation.skills import lines, measure
    from ftlab.training.pretraining.loop import CHECKPOINT, SNAPSHOT
    from ftlab.training.pretraining.tokenizer import END, PAD

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(work / "tokenizer.json")),
        bos_token=END,
        eos_token=END,
        pad_token=PAD,
        model_max_length=recipe.context,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.save_pretrained(output)
    shutil.copyfile(work / "training_log.csv", output / "training_log.csv")
    rows = []
    kept = sorted(work.glob(f"{SNAPSHOT}*"))
    for snapshot in kept[:: max(1, round(len(kept) / POINTS))]:
        model, state = _model(snapshot, recipe, tokenizer)
        rows.append({"tokens": state["tokens"], **measure(model, tokenizer)})
    model, state = _model(work / CHECKPOINT, recipe, tokenizer)
    model.half().save_pretrained(output)
    shares = measure(model.float(), tokenizer)
    rows.append({"tokens": state["tokens"], **shares})
    log = pd.DataFrame(rows).drop_duplicates("tokens", keep="last")
    log.round(4).to_csv(output / "skills_log.csv", index=False)
    _curve(pd.read_csv(output / "training_log.csv"), log, output / "training_curve.png")
    sources = read_manifest(manifest)
    if manifest.resolve() != (output / MANIFEST).resolve():
        shutil.copyfile(manifest, output / MANIFEST)
    figures: dict[str, Any] = {
        **recipe.as_dict(),
        "longest": recipe.cycles[0].exercises.length,
        "wired": _WIRED[recipe.wired],
        "copied": state["copied"],
        "answers": 1 / TEXT,
        "cycles": len(recipe.cycles),
        "shapes": "\n".join(_cycle(i, c) for i, c in enumerate(recipe.cycles, 1)),
        "columns": " | ".join(f"tokens, {i} | weight, {i}" for i in range(1, len(MIXES) + 1)),
        "rules": " | ".join(2 * len(MIXES) * ["---:"]),
        "exercises": "\n".join(
            f"| {shares[0].name} | "
            + " | ".join(f"{share.portion:.0%} | {share.weight}" for share in shares)
            + " |"
            for shares in zip(*MIXES, strict=True)
        ),
        "sources": sum(not s.held_out for s in sources),
        "prose": sum(s.megabytes for s in sources if not s.held_out),
        "diet": "\n".join(_diet(sources)),
        "held_out": ", ".join(f"`{s.name}`" for s in sources if s.held_out) or "nothing",
        "parameters": sum(p.numel() for p in model.parameters()),
        "megabytes": (output / "model.safetensors").stat().st_size / 1e6,
        "tokens": state["tokens"] / 1e6,
        "hours": state["seconds"] / 3600,
        "processes": processes,
        "skills": "\n".join(lines(shares)),
    }
    (output / "MODEL_CARD.md").write_text(_CARD.format(**figures), encoding="utf-8")
    print(f"Exported to {output}: {figures['megabytes']:.1f} MB", flush=True)


def _cycle(number: int, cycle: Cycle) -> str:
    """A line of a table: the batches of a cycle's steps."""
    windows = [cycle.parts * shape.windows for shape in (cycle.texts, cycle.exercises)]
    cells = [number, f"{cycle.until:,}", *windows, cycle.text_weight, cycle.contrast]
    return f"| {' | '.join(map(str, cells))} |"


def _diet(sources: list[Source]) -> list[str]:
    """Lines of a table: the largest sources, and all others together."""
    read = sorted((s for s in sources if not s.held_out), key=lambda s: -s.megabytes)
    lines = [f"| {s.name} | {s.licence} | {s.megabytes:.1f} | {s.weight:g} |" for s in read]
    rest = sum(s.megabytes for s in read[LARGEST:])
    others = [f"| {len(read) - LARGEST} others | | {rest:.1f} | |"] if read[LARGEST:] else []
    return lines[:LARGEST] + others


def _model(
    file: Path, recipe: Recipe, tokenizer: PreTrainedTokenizerBase
) -> tuple[LlamaForCausalLM, dict[str, Any]]:
    """The network of a checkpoint or a snapshot in fp32, and where the run stood."""
    from ftlab.training.pretraining.loop import read_checkpoint

    weights, _, state = read_checkpoint(file)
    model = recipe.network(tokenizer.pad_token_id, tokenizer.eos_token_id)
    # The output layer is the table of token vectors, which is kept once.
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    model.load_state_dict(weights)
    return model.float().eval(), state


def _curve(losses: pd.DataFrame, skills: pd.DataFrame, path: Path) -> None:
    """Losses of all lessons and shares of all skills over the tokens read."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.rcsetup import cycler

    looks = cycler(linestyle=["-", "--", ":"]) * cycler(
        color=plt.rcParams["axes.prop_cycle"].by_key()["color"]
    )
    fig, panels = plt.subplots(2, figsize=(9, 8), layout="constrained", sharex=True)
    for table, axes in zip((losses, skills), panels, strict=True):
        axes.set_prop_cycle(looks)
        for name in [c for c in table.columns if c in (*KINDS, *WANTED)]:
            points = table.dropna(subset=[name])
            axes.plot(points["tokens"] / 1e6, points[name], label=name)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    panels[0].set(ylabel="training loss (nats per token)", yscale="log")
    panels[1].set(ylabel="share of held-out items", xlabel="tokens read (millions)")
    panels[0].set_title("Pretraining the lab's base model")
    fig.savefig(path, dpi=110)
    plt.close(fig)
