"""Work spread over processes: in order, on all cores of a CPU, and never on one GPU at once."""

from __future__ import annotations

import os

import pytest
import torch

from ftlab.common.parallel import in_parallel, on_gpu, worth_processes
from ftlab.training import choose_device


@pytest.fixture(params=["cuda", "mps", "cpu"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the device that this machine has, as far as torch tells, and two cores."""
    name = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: name == "cuda")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU of a test")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: name == "mps")
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    return name


def who(number: int) -> tuple[int, int]:
    return number, os.getpid()


@pytest.mark.slow
def test_jobs_share_the_cores_but_not_a_gpu(device: str) -> None:
    done = in_parallel(who, [{"number": i} for i in range(4)], "numbers")
    assert [number for number, _ in done] == [0, 1, 2, 3]
    here = [process == os.getpid() for _, process in done]
    assert all(here) if device != "cpu" else not any(here)


def test_other_processes_pay_on_a_cpu_with_enough_to_do(device: str) -> None:
    assert on_gpu() == (choose_device()[0].type != "cpu") == (device != "cpu")
    assert worth_processes(100, least=100) == (device == "cpu")
    assert not worth_processes(99, least=100)


@pytest.mark.parametrize(("cores", "jobs"), [(1, 3), (2, 1), (2, 0)])
def test_one_core_or_one_job_needs_no_other_process(
    cores: int, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: cores)
    done = in_parallel(who, [{"number": i} for i in range(jobs)], "numbers")
    assert done == [(i, os.getpid()) for i in range(jobs)]


def failing(number: int) -> int:
    if number == 2:
        raise ValueError("job 2 cannot be done")
    return number


@pytest.mark.parametrize("cores", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_a_job_raises_is_raised_wherever_it_ran(
    cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: cores)
    with pytest.raises(ValueError, match="job 2 cannot be done"):
        in_parallel(failing, [{"number": i} for i in range(4)], "numbers")
