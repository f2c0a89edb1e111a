"""One `fit()` for every notebook and every model, and `predict()` for what it learned."""

from ftlab.common.hardware import choose_device, choose_precision
from ftlab.training.evaluating import predict
from ftlab.training.fitting import Fit, fit

__all__ = ["Fit", "choose_device", "choose_precision", "fit", "predict"]
