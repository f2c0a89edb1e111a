"""One `fit()` for every notebook and every model, and `predict()` for what it learned."""

from ftlab.common.hardware import choose_device, choose_precision
from ftlab.training.fitting import Fit, fit
from ftlab.training.predicting import predict

__all__ = ["Fit", "choose_device", "choose_precision", "fit", "predict"]
