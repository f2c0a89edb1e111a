"""The recipe of the lab's own base model: `python -m ftlab.training.pretraining` makes it again."""
