"""Feed every reader with mutated inputs; exit code 0 only if each gave a good result or an error of ours.

    PYTHONPATH=test python -m fuzz --minutes 10

What is not allowed: a crash, an exception of another family, a message that is no line, more than 10 s of processor
time, an allocation of more than 4 times the input plus 200 MB, a pickle, a file outside the input's folder, a process,
a connection. Inputs that did one of these are kept in --keep, as small as they were.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

for _name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):  # readers are run in forks, which threads do not survive
    os.environ[_name] = '1'

KINDS = 'read', 'refused', 'finding'
BATCH = 200
"""Inputs of one child process."""


def main() -> int:
    """Run batch after batch until the time is over; report after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, default=10.0)
    parser.add_argument('--seed', type=int, default=0, help='the same seed, the same inputs')
    parser.add_argument('--readers', nargs='*', default=[], help='only these')
    parser.add_argument('--keep', default='fuzz', help='folder for what was found (default: fuzz)')
    args = parser.parse_args()
    from .child import run_batch
    from .mutate import warm_up
    from .readers import READERS, check_seeds
    from .seeds import make_seeds

    chosen = args.readers or list(READERS)
    seeds = {name: kept for name, kept in make_seeds().items() if name in chosen}
    check_seeds(seeds)
    warm_up()
    counts: Counter[tuple[str, str]] = Counter()
    found: Counter[str] = Counter()
    keep = Path(args.keep)
    begun, batch = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() - begun < 60 * args.minutes:
            name = list(seeds)[batch % len(seeds)]
            for outcome, path in run_batch(name, seeds[name], (args.seed, batch), BATCH, Path(folder)):
                counts[name, outcome.kind] += 1
                if outcome.is_finding:
                    found[outcome.signature] += 1
                    if found[outcome.signature] <= 2:
                        _keep(keep / f'{name}-{batch}-{sum(found.values())}', path, outcome)
            batch += 1
            if batch % len(seeds) == 0:
                print(_report(counts, found, time.monotonic() - begun), flush=True)
    print(_report(counts, found, time.monotonic() - begun))
    for signature, count in found.most_common():
        print(f'FAILED: {count} x {signature}')
    return 1 if found else 0


def _keep(place: Path, path: Path, outcome) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for file in path.rglob('*'):
        if file.is_file() and file.stat().st_size < 1 << 20:
            (place / file.name).write_bytes(file.read_bytes())
    (place / 'finding.txt').write_text(f'{outcome.signature}\n\n{outcome.detail}\n')


def _report(counts: Counter, found: Counter, seconds: float) -> str:
    names = sorted({name for name, _ in counts})
    each = ', '.join(f'{name} {sum(counts[name, kind] for kind in KINDS)}' for name in names)
    read, refused, _ = (sum(counts[name, kind] for name in names) for kind in KINDS)
    return (
        f'total {sum(counts.values())} inputs in {seconds / 60:.1f} min: {read} read, {refused} refused, '
        f'{sum(found.values())} findings of {len(found)} kinds ({each})'
    )


if __name__ == '__main__':
    sys.exit(main())
