"""Claims, verdicts, records of runs, the records that are kept, and the model card."""
