"""One `fit()` for every notebook and every model, and `predict()` for what it learned."""

from ftlab.training.evaluating import predict
from ftlab.training.fitting import Fit, fit
from ftlab.training.hardware import choose_device, choose_precision

__all__ = ["Fit", "choose_device", "choose_precision", "fit", "predict"]
