"""Chooses the reader's `sure_above` on drawn plates: `python -m plates.calibrate READER.onnx SHARD…`.

The least confidence from which on at most half a percent of the texts is wrong: half of what is promised, because real
pictures are harder than drawn ones.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

from .infer import Reader

WRONG = 0.005


def threshold(confidence: np.ndarray, right: np.ndarray, wrong: float) -> float:
    """The least confidence from which on the share of wrong ones is within `wrong`."""
    order = np.argsort(-confidence)
    errors = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    last = np.nonzero(errors <= wrong)[0]
    return float(confidence[order][last[-1]]) if len(last) else 1.0


def main() -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    reader = Reader(Path(sys.argv[1]), {}, options)
    confidence, right = [], []
    for path in sys.argv[2:]:
        z = np.load(path)
        for i in range(0, len(z["x"]), 64):
            p = reader.run(z["x"][i : i + 64, None].astype(np.float32) / 255)
            right.append((p.argmax(-1) == z["y"][i : i + 64]).all(1)), confidence.append(p.max(-1).astype(np.float64).prod(-1))
    confidence, right = np.concatenate(confidence), np.concatenate(right)
    for wrong in (0.01, WRONG, 0.002):
        t = threshold(confidence, right, wrong)
        print(f"at most {wrong:.1%} wrong: sure above {t:.4f}, {np.mean(confidence < t):.1%} unsure (exact {right.mean():.1%})")


if __name__ == "__main__":
    main()
