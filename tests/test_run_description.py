"""What a record says of where its run happened."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from pathlib import Path

import pytest
import torch
import transformers

from ftlab.notebook.environment import describe_environment
from ftlab.training import choose_device, choose_precision


def git(root: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_every_field_is_the_truth(tmp_path: Path) -> None:
    for name in "fbdace":
        (tmp_path / f"{name}.safetensors").write_bytes(name.encode())
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        about, sentence = describe_environment(tmp_path)
        device, why_device = choose_device()
        precision, why_precision = choose_precision(device)
    finally:
        torch.set_num_threads(before)
    assert about["python"] == platform.python_version()
    assert about["torch"] == torch.__version__
    assert about["transformers"] == transformers.__version__
    assert about["cpu"].endswith(f", {os.cpu_count()} cores")
    assert not about["cpu"].startswith(",")  # it has a name
    assert about["threads"] == before + 1
    assert about["precision"] == precision
    assert about["base_model_sha256"] == hashlib.sha256(b"abcdef").hexdigest()
    assert sentence == f"Training runs {why_device}, {why_precision}."


def test_the_commit_is_that_of_the_checkout_and_says_when_files_differ(root: Path) -> None:
    git(root, "init", "--quiet")
    (root / "data" / "file").write_text("committed")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "first")
    commit = git(root, "rev-parse", "HEAD")
    assert len(commit) >= 40
    (root / "new").write_text("what git does not know makes no difference")
    assert describe_environment(root)[0]["git"] == commit
    (root / "data" / "file").write_text("changed")
    assert describe_environment(root)[0]["git"] == commit + "+"


def test_outside_a_checkout_there_is_no_commit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(root.parent))
    assert describe_environment(root)[0]["git"] is None
    monkeypatch.setenv("PATH", "")  # nor is there git
    assert describe_environment(root)[0]["git"] is None
