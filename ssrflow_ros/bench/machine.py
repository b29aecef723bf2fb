"""The machine: what it is, what it can do at most, how much of it was in use."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import torch

from ..inference.device import threads
from .timing import timed

_GEMM = {'cpu': 1024, 'cuda': 4096}
_COPIED_BYTES = 1 << 28  # far more than any cache


def describe(device: torch.device) -> dict[str, Any]:
    """What a reader of the figures must know of the machine; no name of it."""
    told = {
        'DEVICE_ARCHITECTURE': platform.machine(),
        'DEVICE_OS': platform.system(),
        'CPU': _cpu_name(),
        'CPU_CORES': os.cpu_count(),
        'THREADS': threads(),
        'DEVICE': str(device),
        'PYTHON': platform.python_version(),
        'TORCH': torch.__version__,
    }
    if device.type == 'cuda':
        told |= {'GPU': torch.cuda.get_device_name(device), 'CUDA': torch.version.cuda}
    return told


def peak_flops(device: torch.device) -> float:
    """FLOP/s of a large fp32 matrix product, the most that a layer could reach."""
    size = _GEMM.get(device.type, 1024)
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    return 2 * size**3 / (1e-3 * min(timed(lambda: a @ b, device).ms))


def peak_bandwidth(device: torch.device) -> float:
    """Bytes/s of a large copy, read and written bytes both counted."""
    source = torch.zeros(_COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    return 2 * _COPIED_BYTES / (1e-3 * min(timed(lambda: target.copy_(source), device).ms))


class CpuUse:
    """Share of all cores that was in use, by anybody, percent, since it was made; None where Linux does not tell."""

    def __init__(self) -> None:
        self._begun = _cpu_ticks()

    def percent(self) -> float | None:
        """Until now."""
        now = _cpu_ticks()
        if self._begun is None or now is None or now[1] == self._begun[1]:
            return None
        return 100.0 * (now[0] - self._begun[0]) / (now[1] - self._begun[1])


def forget_peaks(device: torch.device) -> None:
    """Let both peaks below count from now on; Linux alone forgets that of the host."""
    try:
        with open('/proc/self/clear_refs', 'w') as file:
            file.write('5')
    except OSError:
        pass
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)


def peak_host_bytes() -> int:
    """Most memory that this process has held at once."""
    try:
        with open('/proc/self/status') as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith('VmHWM'))
    except (OSError, StopIteration):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == 'darwin' else 1024 * most


def peak_device_bytes(device: torch.device) -> int:
    """Most memory of the device that torch has held at once; 0 for the CPU, whose memory is the host's."""
    return torch.cuda.max_memory_allocated(device) if device.type == 'cuda' else 0


def _cpu_name() -> str:
    try:
        with open('/proc/cpuinfo') as file:
            return next((line.split(':', 1)[1].strip() for line in file if line.startswith('model name')), '')
    except OSError:
        return platform.processor()


def _cpu_ticks() -> tuple[int, int] | None:
    """Ticks in use and ticks in all, of all cores."""
    try:
        with open('/proc/stat') as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
    except (OSError, ValueError):
        return None
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)  # idle, and waiting for the disk
