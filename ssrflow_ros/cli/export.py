"""`ssrflow export`: the network as an ONNX file.

ssrflow export onboard.onnx --weights onboard --points 2048
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_overwrite, weights_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('output', type=Path, help='.onnx file to write')
    parser.add_argument('--weights', default='onboard', help='shipped name or .safetensors file (default: %(default)s)')
    parser.add_argument(
        '--points',
        type=int,
        default=2048,
        help='points of each sweep; the file takes no other number (default: %(default)s)',
    )
    add_overwrite(parser, 'the file')


def run(args: argparse.Namespace) -> None:
    from ..atomic_write import check_outputs
    from ..errors import InputError
    from ..inference.export import COMMAND, OPSET, export_onnx
    from ..network.weights import load_weights
    from ..settings import Settings

    check_outputs({'OUTPUT': args.output}, (weights_file(args.weights),), COMMAND, args.overwrite)
    if args.output.suffix != '.onnx':
        raise InputError(f'{args.output}: give a name that ends in .onnx')
    Settings(network_points=args.points)  # its rule is the rule here
    difference = export_onnx(load_weights(args.weights), args.points, args.output, overwrite=args.overwrite)
    print(
        f'written: {args.output} (ONNX opset {OPSET}, {args.points} points a sweep; '
        f'differs from torch by at most {difference:.1e} m in onnxruntime)'
    )
