"""python -m ssrflow_ros.simulator: how fast each sensor is simulated on this machine, and a picture."""

from __future__ import annotations

import argparse
import time

import numpy as np

from .sensors import SENSORS
from .simulate import simulate


def main() -> None:
    """Print sweeps per second of CPU time for each sensor: in pairs (a new world each), in one recording."""
    parser = argparse.ArgumentParser(prog='python -m ssrflow_ros.simulator', description=main.__doc__)
    parser.add_argument('--pairs', type=int, default=12, help='pairs to measure for each sensor (default %(default)s)')
    parser.add_argument('--picture', metavar='PNG', help='draw some scenes and movers instead')
    arguments = parser.parse_args()
    if arguments.picture:
        from .picture import draw

        draw(arguments.picture)
        return
    next(simulate(0))  # imports and the first allocation are not counted
    print('sensor      beams   points  pairs: sweeps/s  recording: sweeps/s  pairs/h')
    of_all = []
    for name, model in SENSORS.items():
        seconds, points = [], []
        for seed in range(arguments.pairs):
            start = time.process_time()
            pair = list(simulate(seed, 2, name))
            seconds.append(time.process_time() - start)
            points += [len(sweep) for sweep in pair]
        start = time.process_time()
        count = sum(1 for _ in simulate(0, 20, name))
        steady = count / (time.process_time() - start)
        of_all += seconds
        mean = np.mean(seconds)
        print(
            f'{name:10}{model.beams or "-":>7}{np.mean(points):9.0f}{2 / mean:17.1f}{steady:21.1f}{3600 / mean:9.0f}',
            flush=True,
        )
    print(f'all sensors alike: {3600 / np.mean(of_all):.0f} pairs an hour on one core')


if __name__ == '__main__':
    main()
