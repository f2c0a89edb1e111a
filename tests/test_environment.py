"""Where a run happens: what its record says of it, and what a look around finds."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from ftlab.common import hardware
from ftlab.notebook import environment
from ftlab.notebook.environment import check_up, describe_environment

GPU = "NVIDIA A100"


def computes_on(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr(hardware, "choose_device", lambda: (torch.device(device), f"on {device}"))
    monkeypatch.setattr(hardware, "choose_precision", lambda device: ("bf16", "in bf16"))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: GPU)


@pytest.mark.parametrize(
    ("device", "kept"),
    [
        ("cpu", {"device": "cpu"}),
        ("cuda", {"device": "cuda:0", "gpu": GPU}),
        ("mps", {"device": "mps", "gpu": "Apple GPU"}),
    ],
)
def test_the_record_says_which_device_a_run_used(
    device: str, kept: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    computes_on(monkeypatch, device)
    about, why = describe_environment(tmp_path)
    assert {key: about[key] for key in ("device", "gpu") if key in about} == kept
    assert why == f"Training runs on {device}, in bf16."


def findings() -> dict[str, environment.Finding]:
    return {finding.what: finding for finding in check_up()}


def test_a_look_around_advises_where_something_is_amiss(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    as_tested = f"torch=={torch.__version__.partition('+')[0]}"
    (tmp_path / "requirements.txt").write_text(f"{as_tested}\npytest==0.1\nnone-such==2\n-e .\n")
    monkeypatch.setenv("FTLAB_ROOT", str(tmp_path))
    memory = psutil.virtual_memory()._replace(available=1_500_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    computes_on(monkeypatch, "cpu")
    found = findings()
    assert (found["free memory"].found, bool(found["free memory"].advice)) == ("1.5 GB", True)
    assert (found["computes on"].found, bool(found["computes on"].advice)) == ("CPU, 1 core", True)
    versions = found["libraries"]
    assert versions.found == (
        f"pytest {pytest.__version__} (tested: 0.1), none-such missing (tested: 2)"
    )
    assert "make setup" in versions.advice


def test_a_ready_computer_gets_no_advice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "requirements.txt").write_text(f"pytest=={pytest.__version__}\n-e .\n")
    monkeypatch.setenv("FTLAB_ROOT", str(tmp_path))
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    computes_on(monkeypatch, "cuda")
    found = findings()
    assert found["computes on"] == environment.Finding("computes on", "cuda")
    assert found["libraries"] == environment.Finding("libraries", "all 1 as tested")


def test_attention_is_computed_step_by_step_in_bf16_on_a_cpu_alone() -> None:
    def fused() -> bool:
        return torch.backends.cuda.flash_sdp_enabled()

    cpu = torch.device("cpu")
    with hardware.autocast(cpu, "bf16"):
        assert torch.is_autocast_enabled("cpu")
        assert not fused()
    with hardware.autocast(cpu, "fp32"):
        assert not torch.is_autocast_enabled("cpu")
        assert fused()
    assert fused()
