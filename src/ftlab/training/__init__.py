"""One `fit()` for every notebook, every model and any loss, and `predict()` for what it learned."""

from ftlab.common.hardware import autocast, choose_device, choose_precision
from ftlab.training.fitting import Fit, fit
from ftlab.training.frozen import FrozenTrunk, frozen_depth
from ftlab.training.loop import Diverged, Run
from ftlab.training.optimizer import make_optimizer
from ftlab.training.predicting import predict

__all__ = [
    "Diverged",
    "Fit",
    "FrozenTrunk",
    "Run",
    "autocast",
    "choose_device",
    "choose_precision",
    "fit",
    "frozen_depth",
    "make_optimizer",
    "predict",
]
