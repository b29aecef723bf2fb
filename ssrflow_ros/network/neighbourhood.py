"""The neighbours of points, with the offsets to them: computed once, read by every block of a level."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..operators import cpu_patches, gather

LONGEST = 4.0  # lengths


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """index (B, M, k) into the N points of a cloud, and offsets (B, M, k, 3) to them from the M centres, in lengths."""

    index: torch.Tensor
    offsets: torch.Tensor

    @classmethod
    def of(
        cls, centres: torch.Tensor, points: torch.Tensor, index: torch.Tensor, length: float, radius: float = 0.0
    ) -> 'Neighbourhood':
        """Of centres (B, M, 3) among points (B, N, 3), nearest first; `length` metres count as 1.

        In place of neighbours that are farther than `radius` lengths, if it is not 0, the nearest one is repeated.
        """
        if cpu_patches.fits(centres, points):
            return cls(*cpu_patches.neighbourhood(centres, points, index, length, radius, LONGEST))
        offsets = (gather(points, index) - centres[:, :, None]) / length
        if radius:
            far = offsets.norm(dim=-1) > radius
            index = torch.where(far, index[..., :1], index)
            offsets = torch.where(far[..., None], offsets[..., :1, :], offsets)
        return cls(index, soft_clamp(offsets))

    @property
    def pair(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Both, as `cpu_patches` takes them."""
        return self.index, self.offsets

    @property
    def of_source(self) -> 'Neighbourhood':
        """Those of the source frames, of both frames'."""
        return Neighbourhood(self.index.chunk(2)[0], self.offsets.chunk(2)[0])

    def nearest(self, k: int) -> 'Neighbourhood':
        """Its first k."""
        return Neighbourhood(self.index[..., :k], self.offsets[..., :k, :])


def soft_clamp(offsets: torch.Tensor) -> torch.Tensor:
    """Offsets (..., 3), in lengths, long ones softly clamped to `LONGEST`.

    Offsets are direct differences in float32, whatever autocast says: centimetres of motion must
    survive coordinates of 100 m. The neighbours of a lone return lie tens of metres off, and
    without normalisation layers such numbers would multiply from block to block.
    """
    return offsets * (LONGEST / (LONGEST + offsets.norm(dim=-1, keepdim=True)))
