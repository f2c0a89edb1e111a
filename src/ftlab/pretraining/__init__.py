"""The recipe of the lab's own base model: `python -m ftlab.pretraining` makes it again."""
