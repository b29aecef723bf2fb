"""The loops of a least-cost assignment."""

from __future__ import annotations

import numpy as np

from .compiled import compiled


@compiled
def assigned(cost):
    """The column (n,) int64 of each row of cost (n, m) float64, finite, so that their sum is least; each column once,
    and as many as there are of the fewer, -1 for rows that get none.

    Shortest augmenting paths (Jonker and Volgenant 1987): rows are added one by one, and those before give way.
    """
    if cost.shape[0] > cost.shape[1]:
        of_column = assigned(cost.T.copy())
        of_row = np.full(cost.shape[0], -1, np.int64)
        for column in range(len(of_column)):
            of_row[of_column[column]] = column
        return of_row
    rows, columns = cost.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    of_row, of_column = np.full(rows, -1, np.int64), np.full(columns, -1, np.int64)
    for row in range(rows):
        distance, before = np.full(columns, np.inf), np.full(columns, -1, np.int64)
        reached, at, so_far = np.zeros(columns, np.bool_), row, 0.0
        while True:
            nearest = -1
            for column in range(columns):
                if not reached[column]:
                    over = so_far + cost[at, column] - row_price[at] - column_price[column]
                    if over < distance[column]:
                        distance[column], before[column] = over, at
                    if nearest < 0 or distance[column] < distance[nearest]:
                        nearest = column
            reached[nearest], so_far = True, distance[nearest]
            if of_column[nearest] < 0:
                break
            at = of_column[nearest]
        row_price[row] += so_far
        for column in range(columns):
            if reached[column] and column != nearest:
                row_price[of_column[column]] += so_far - distance[column]
                column_price[column] -= so_far - distance[column]
        while nearest >= 0:  # back along the path: each row takes the next one's column
            at = before[nearest]
            of_column[nearest] = at
            of_row[at], nearest = nearest, of_row[at]
    return of_row
