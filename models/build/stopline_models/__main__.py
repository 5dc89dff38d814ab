"""`python -m stopline_models nanodet MODEL.json OUTDIR [--size 640x480] [--float]`
`python -m stopline_models ranges MODEL.json PICTURES.npy OUT.json`
`python -m stopline_models yolox SOURCE.onnx OUT.onnx --size 640x480`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from . import nanodet, quantise, tfjs, yolox

RANGES = Path(__file__).with_name("nanodet_g_ranges.json")
# NanoDet-g's training normalisation, blue green red, 0 to 255.
MEAN = np.array([103.53, 116.28, 123.675], np.float32)
STD = np.array([57.375, 57.12, 58.395], np.float32)


def size(text: str) -> tuple[int, int]:
    """`640x480` as width and height."""
    width, height = (int(side) for side in text.split("x"))
    return width, height


def build_nanodet(args: argparse.Namespace) -> None:
    """Writes the 8-bit model, and with --float the one it was made from."""
    width, height = args.size
    model = nanodet.to_onnx(tfjs.read(args.model), width, height)
    args.out.mkdir(parents=True, exist_ok=True)
    # Named by height × width, the order of the tensor's axes.
    if args.float:
        nanodet.save(model, args.out / f"nanodet_g_{height}x{width}.onnx")
    eight_bit = quantise.quantise(model, quantise.read_ranges(RANGES))
    nanodet.open_extents(eight_bit)
    nanodet.save(eight_bit, args.out / "nanodet_g_int8.onnx")


def build_ranges(args: argparse.Namespace) -> None:
    """Measures activation ranges over pictures, N × height × width × 3 bytes, blue green red."""
    pictures = np.load(args.pictures)
    _, height, width, _ = pictures.shape
    model = nanodet.to_onnx(tfjs.read(args.model), width, height)
    ready = [((p.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None] for p in pictures]
    quantise.write_ranges(quantise.measure_ranges(model, [np.ascontiguousarray(p) for p in ready]), args.out)


def build_yolox(args: argparse.Namespace) -> None:
    """Rewrites the input size."""
    nanodet.save(yolox.resized(args.model, *args.size), args.out)


def main() -> int:
    """Runs one of the commands."""
    parser = argparse.ArgumentParser(prog="stopline_models", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("nanodet")
    command.add_argument("model", type=Path)
    command.add_argument("out", type=Path)
    command.add_argument("--size", type=size, default=(640, 480))
    command.add_argument("--float", action="store_true")
    command.set_defaults(run=build_nanodet)
    command = commands.add_parser("ranges")
    command.add_argument("model", type=Path)
    command.add_argument("pictures", type=Path)
    command.add_argument("out", type=Path)
    command.set_defaults(run=build_ranges)
    command = commands.add_parser("yolox")
    command.add_argument("model", type=Path)
    command.add_argument("out", type=Path)
    command.add_argument("--size", type=size, default=(640, 480))
    command.set_defaults(run=build_yolox)
    args = parser.parse_args()
    args.run(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
