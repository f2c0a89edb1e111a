"""Loads a base model by folder or Hub name, puts a head on it, asks it, and measures its size.

Causal language models and encoders of the usual families go through the same few functions.
"""

from ftlab.models.classifier import Classifier, as_language_model, load_classifier
from ftlab.models.folders import BASE_MODEL, complete_folder, model_folder
from ftlab.models.generation import generate
from ftlab.models.layers import blocks, layer_of
from ftlab.models.layers import layers as layers_of
from ftlab.models.loading import is_causal_lm, load_causal_lm, load_tokenizer, max_length
from ftlab.models.rng import private_rng
from ftlab.models.scoring import bits_per_character, sequence_logprob
from ftlab.models.size import count_parameters, starting_rate

__all__ = [
    "BASE_MODEL",
    "Classifier",
    "as_language_model",
    "bits_per_character",
    "blocks",
    "complete_folder",
    "count_parameters",
    "generate",
    "is_causal_lm",
    "layer_of",
    "layers_of",
    "load_causal_lm",
    "load_classifier",
    "load_tokenizer",
    "max_length",
    "model_folder",
    "private_rng",
    "sequence_logprob",
    "starting_rate",
]
