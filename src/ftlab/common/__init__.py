"""What every room may use: errors, paths, whole files, the Hub, processes, hardware, progress."""

from ftlab.common.errors import LabError
from ftlab.common.files import package_sha256, sha256_of, write_atomically, written_whole
from ftlab.common.parallel import in_parallel, on_gpu, worth_processes
from ftlab.common.paths import data_dir, project_root, results_dir
from ftlab.common.progress import progress_bar

__all__ = [
    "LabError",
    "data_dir",
    "in_parallel",
    "on_gpu",
    "package_sha256",
    "progress_bar",
    "project_root",
    "results_dir",
    "sha256_of",
    "worth_processes",
    "write_atomically",
    "written_whole",
]
