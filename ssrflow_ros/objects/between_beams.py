"""Between beams: what seems to move, and is a ring that slides along something that stands.

Of a ceiling, a wall at a low angle, a rack the few beams of a sparse sensor strike other lines as it goes and nods.
Where a line is now nothing came back before, as if it had taken free space. But of the two beams next to that place,
one above and one below, only one went on beyond it, and the other ended there: nobody saw through. What moves by itself
takes places that both of them passed, or leaves some.
"""

from __future__ import annotations

import numpy as np

from ..steps.prepared import PreparedPair
from ..transforms import transformed32
from .groups import Clusters, evenly_chosen, group_shares

_MOST_POINTS = 128  # of a cluster that are asked
_DEPTH, _DEPTH_SHARE = 0.3, 0.01  # m, and share of the range, by which a beam went on beyond
_AT_SHARE = 0.1  # of the range, besides, by which a beam that ends on the same surface may end before
# Of a cluster's points, by how many more lie between two beams than where both went on: of what slides. Who moves
# farther takes and leaves more, and less will do.
_SLOW, _PER_METRE, _FAST = 0.8, 1.0, 0.5


def slides(prepared: PreparedPair, clusters: Clusters, displacement: np.ndarray) -> np.ndarray:
    """(K,) bool: of the places that each of K clusters took, if it moved by `displacement` (K, 2) m until the target,
    and of those that it left, the beams beside them saw through few, and most lie between two of them."""
    rows, counts = evenly_chosen(clusters.counts, _MOST_POINTS)
    here, places = clusters.points.take(rows, axis=0), clusters.moved(displacement).take(rows, axis=0)
    source, target = prepared.beams
    into = prepared.ego_motion.target_from_source
    asked = (target, transformed32(here, into[:3, :3], into[:3, 3])), (source, places)
    passed, between = np.max([_shares(beams.passing(points), counts) for beams, points in asked], axis=0)
    return between - passed > np.maximum(_SLOW - _PER_METRE * np.linalg.norm(displacement, axis=1), _FAST)


def _shares(passing: list[tuple[np.ndarray, np.ndarray]], counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares (K,) of the points of K clusters beyond which both beams beside them of a sensor reach, and between which
    those of one lie and none saw through; `passing` as of `Beams.passing`."""
    saw_through, lie_between = [], []
    for own, reach in passing:
        beyond = reach > own[:, None] * (1 + _DEPTH_SHARE) + _DEPTH
        at = ~beyond & (reach >= own[:, None] * (1 - _AT_SHARE) - _DEPTH)
        saw_through.append(beyond.all(axis=1))
        lie_between.append(beyond.any(axis=1) & at.any(axis=1))
    passed = np.any(saw_through, axis=0)
    return group_shares(passed, counts), group_shares(np.any(lie_between, axis=0) & ~passed, counts)
