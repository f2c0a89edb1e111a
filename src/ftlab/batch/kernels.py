"""The kernels notebooks run in: of this very Python, whatever kernels are installed."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Kernels:
    """Makes the kernel of one run, and can put an end to it.

    `environment` is added to this process's own, `cwd` is the folder the kernel works in. With
    `preload`, a notebook, the kernel is a fork of a process that has imported what that one imports
    (see `ftlab.batch.forkserver`), where that can be done.
    """

    def __init__(
        self, environment: Mapping[str, str], cwd: str, preload: Path | None = None
    ) -> None:
        self.environment = dict(environment)
        self.cwd = cwd
        self.preload = preload
        self.killed = False
        self._manager: Any = None

    def manager_class(self) -> type:
        """A class for papermill's `kernel_manager_class`.

        The kernel keeps remarks on its own start and end to itself: they would break a progress
        bar.
        """
        from ipykernel.kernelspec import get_kernel_dict
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager

        from ftlab.batch.forkserver import ForkProvisioner, can_fork, preload_modules

        specification = get_kernel_dict()
        specification["argv"] = [*specification["argv"], "--log-level=CRITICAL"]
        kernels = self

        class LabKernel(AsyncKernelManager):
            kernel_spec = KernelSpec(resource_dir="", **specification)

            async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
                kernels._manager = self
                if kernels.preload and can_fork():
                    modules = preload_modules(kernels.preload)
                    self.provisioner = ForkProvisioner(
                        modules, kernel_spec=self.kernel_spec, parent=self
                    )
                given = {**os.environ, **options.get("env", {}), **kernels.environment}
                options.update(env=given, cwd=kernels.cwd)
                await super().start_kernel(**options)

        return LabKernel

    def kill(self) -> None:
        """Kill the kernel and every process it has started; papermill then finds it dead."""
        self.killed = True
        provisioner = self._manager and self._manager.provisioner
        if provisioner and provisioner.has_process:
            if provisioner.pgid and hasattr(os, "killpg"):
                os.killpg(provisioner.pgid, signal.SIGKILL)
            else:
                provisioner.process.kill()
