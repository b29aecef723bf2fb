"""How much memory this process holds, on the host and on the device, and when it is not enough. No ROS."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path


def host_mb(process: int | str = 'self') -> float:
    """Resident megabytes (2**20 bytes) of a process and of those that it started; 0 where it has ended.

    Pages that they share, such as those of libraries, are counted for each.
    """
    folder = Path(f'/proc/{process}')
    try:
        pages = int((folder / 'statm').read_text().split()[1])
        children = [
            child for thread in (folder / 'task').iterdir() for child in (thread / 'children').read_text().split()
        ]
    except (OSError, IndexError):  # no Linux: only the highest that it ever was, in kB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 if process == 'self' else 0.0
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20 + sum(map(host_mb, children))


def device_mb(device: object) -> float:
    """Megabytes that torch has reserved on a CUDA `device`; 0 on others."""
    torch = sys.modules.get('torch')  # if nobody has loaded it, it holds nothing
    if torch is None or getattr(device, 'type', '') != 'cuda':
        return 0.0
    return torch.cuda.memory_reserved(device) / 2**20


def is_out_of_memory(error: Exception) -> bool:
    """Whether `error` means that something did not fit into the memory of host or device."""
    torch = sys.modules.get('torch')
    return isinstance(error, MemoryError) or torch is not None and isinstance(error, torch.cuda.OutOfMemoryError)


def free_device() -> None:
    """Hand back what torch keeps of the device for later use."""
    torch = sys.modules.get('torch')
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
