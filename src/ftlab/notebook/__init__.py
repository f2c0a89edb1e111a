"""What a notebook is: its parameters, its file, what it shows to the reader, where it runs."""

from ftlab.notebook.display import against, check, say, short
from ftlab.notebook.environment import check_up, describe_environment
from ftlab.notebook.parameters import NOTEBOOKS, PROFILES, SEEDS_BY_PROFILE, check_parameters
from ftlab.notebook.tables import text_table

__all__ = [
    "NOTEBOOKS",
    "PROFILES",
    "SEEDS_BY_PROFILE",
    "against",
    "check",
    "check_parameters",
    "check_up",
    "describe_environment",
    "say",
    "short",
    "text_table",
]
