"""Reading the locator's map, and how well two plates' outlines agree."""

import math

import numpy as np

STRIDE = 8


def best(out: np.ndarray) -> tuple[float, np.ndarray]:
    """Score and corners (pixels of the input) of the strongest cell of one map (`13 × cells × cells`)."""
    i = int(out[0].argmax())
    y, x = divmod(i, out.shape[2])
    centre = np.array([(x + 0.5) * STRIDE, (y + 0.5) * STRIDE])
    return 1 / (1 + math.exp(-float(out[0, y, x]))), out[5:, y, x].reshape(4, 2) * STRIDE + centre


def box_iou(p: np.ndarray, q: np.ndarray) -> float:
    """IoU of the boxes around two outlines."""
    (a0, a1), (b0, b1) = (p.min(0), p.max(0)), (q.min(0), q.max(0))
    both = np.prod(np.clip(np.minimum(a1, b1) - np.maximum(a0, b0), 0, None))
    return float(both / (np.prod(a1 - a0) + np.prod(b1 - b0) - both + 1e-9))
