"""Runs the two exported models as the engine does."""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from .boxes import best
from .crops import HEIGHT, WIDTH, stretch
from .scenes import PAD, SIDE
from .texts import ALPHABET, BLANK


class Reader:
    """The reader with what the manifest says about it."""

    def __init__(self, path: Path, entry: dict, options: ort.SessionOptions):
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.margin = entry.get("margin", 0.05)
        self.sure_above = entry.get("sure_above", 0.9)

    def run(self, plates: np.ndarray) -> np.ndarray:
        """Probabilities, `N × slots × 37`."""
        logits = self.session.run(["logits"], {"plates": plates})[0]
        e = np.exp(logits - logits.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def text(self, probabilities: np.ndarray) -> tuple[str, float]:
        """The likeliest text (blanks anywhere are left out) and the product of its slots' probabilities."""
        classes = probabilities.argmax(-1)
        return "".join(ALPHABET[c] for c in classes if c != BLANK), float(probabilities.max(-1).prod())

    def read_box(self, picture: np.ndarray, box: np.ndarray) -> tuple[str, float]:
        """A box, two corners, widened by the margin."""
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        (x0, y0), (x1, y1) = box
        dx, dy = (x1 - x0) * self.margin, (y1 - y0) * self.margin
        h, w = grey.shape
        return self.text(self.run(as_input(stretch(grey, max(0, x0 - dx), max(0, y0 - dy), min(w, x1 + dx), min(h, y1 + dy))))[0])

    def read_quad(self, picture: np.ndarray, quad: np.ndarray) -> tuple[str, float]:
        """Four corners, widened from their middle by the margin, drawn straight."""
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        quad = quad.mean(0) + (quad - quad.mean(0)) * (1 + 2 * self.margin)
        while np.linalg.norm(quad[1] - quad[0]) > 2 * WIDTH and np.linalg.norm(quad[3] - quad[0]) > 2 * HEIGHT:
            grey = cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2), interpolation=cv2.INTER_AREA)
            quad = quad / 2
        goal = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], np.float32) - 0.5
        m = cv2.getPerspectiveTransform((quad - 0.5).astype(np.float32), goal)
        plate = cv2.warpPerspective(grey, m, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return self.text(self.run(as_input(plate))[0])

    def read_whole(self, picture: np.ndarray, copies: int) -> tuple[str, float]:
        """A whole crop; with more copies the mean over small shifts and scales of it."""
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        h, w = grey.shape
        if copies == 1:
            return self.text(self.run(as_input(stretch(grey, 0, 0, w, h)))[0])
        rng = np.random.default_rng(0)
        edges = rng.uniform(-0.03, 0.07, (copies, 4)) * (w, h, w, h)
        inputs = [as_input(stretch(grey, e[0], e[1], w - e[2], h - e[3])) for e in edges]
        log = np.log(self.run(np.concatenate(inputs)) + 1e-6).mean(0)
        mean = np.exp(log)
        return self.text(mean / mean.sum(-1, keepdims=True))


def as_input(plate: np.ndarray) -> np.ndarray:
    """8 bit to the reader's input."""
    return plate[None, None].astype(np.float32) / 255


class Locator:
    """The locator with its threshold."""

    def __init__(self, path: Path, entry: dict, options: ort.SessionOptions):
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.threshold = entry.get("confidence", 0.3)

    def find(self, picture: np.ndarray) -> tuple[float, np.ndarray]:
        """Score and corners of the strongest plate of a BGR picture."""
        h, w = picture.shape[:2]
        zoom = SIDE / max(h, w)
        nw, nh = max(1, round(w * zoom)), max(1, round(h * zoom))
        canvas = np.full((SIDE, SIDE, 3), PAD, np.uint8)
        x, y = (SIDE - nw) // 2, (SIDE - nh) // 2
        small = cv2.resize(picture, (nw, nh), interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
        canvas[y : y + nh, x : x + nw] = small[..., ::-1]
        out = self.session.run(["map"], {"image": canvas.transpose(2, 0, 1)[None].astype(np.float32) / 255})[0][0]
        score, quad = best(out)
        return score, (quad - (x, y)) * (w / nw, h / nh)
