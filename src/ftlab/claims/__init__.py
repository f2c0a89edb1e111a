"""Claims, verdicts, records of runs, the records that are kept, and the model card."""

from ftlab.claims.claim import VERDICTS, Claim, Trial
from ftlab.claims.model_card import gate, model_card
from ftlab.claims.recomputing import Recomputed, recompute
from ftlab.claims.record import read_record
from ftlab.claims.recording import Record
from ftlab.claims.reference import compare_with_reference
from ftlab.claims.table import all_claims, claims_of, find_claim

__all__ = [
    "VERDICTS",
    "Claim",
    "Recomputed",
    "Record",
    "Trial",
    "all_claims",
    "claims_of",
    "compare_with_reference",
    "find_claim",
    "gate",
    "model_card",
    "read_record",
    "recompute",
]
