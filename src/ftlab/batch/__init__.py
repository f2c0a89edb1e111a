"""Notebooks run headlessly: one by one, or in sweeps that survive whatever happens to them.

parameters  which parameters a run has; run_id: the name that follows from them
imports     the code that a notebook leads to
plan        a sweep file, read and checked (yamlfile, grid)
kernels     where a notebook runs; forkserver: kernels forked from a process that has imported
running     one notebook, by papermill
folder      what a sweep has done; sweeping: doing the rest, here or on a cluster
tables      what came out, as a table and as figures

The command line is `ftlab.cli`.
"""

from ftlab.common.libraries import require

require("batch", "papermill", "nbclient", "nbformat", "ipykernel", "yaml", "psutil")
