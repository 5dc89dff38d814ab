"""Training pictures of the reader: one plate, as a street camera shows it, cut out and stretched to the reader's input."""

import cv2
import numpy as np

from .camera import draw_lens, shoot
from .faces import draw_plate, soft_noise

WIDTH, HEIGHT = 96, 48
OVER = 3


def _surroundings(rng, h: int, w: int) -> np.ndarray:
    """What is behind and around a plate: bodywork, shadow, edges."""
    base = rng.uniform(0.02, 0.4) if rng.random() < 0.82 else rng.uniform(0.3, 0.95)
    im = base + rng.uniform(0, 0.25) * soft_noise(rng, h, w, int(rng.integers(2, 6)))
    for _ in range(rng.poisson(2.0)):
        p = (rng.uniform(-0.1, 1.1, 2) * (w, h)).astype(int)
        q = (rng.uniform(-0.1, 1.1, 2) * (w, h)).astype(int)
        tone = float(rng.uniform(0, 1))
        if rng.random() < 0.6:
            cv2.line(im, tuple(p.tolist()), tuple(q.tolist()), tone, int(rng.uniform(1, 0.12 * h) + 1), cv2.LINE_AA)
        else:
            cv2.circle(im, tuple(p.tolist()), int(rng.uniform(2, 0.3 * h)), tone, -1, cv2.LINE_AA)
    return im


def _quad(rng, pw: float, ph: float, hard: float) -> np.ndarray:
    """The plate's corners about the origin: rotation, shear, perspective, foreshortening."""
    c = np.array([[-pw, -ph], [pw, -ph], [pw, ph], [-pw, ph]], np.float64) / 2
    c[:, 0] *= 1 - abs(rng.normal(0, 0.12)) * hard
    c[:, 1] *= 1 - abs(rng.normal(0, 0.1)) * hard
    c[:, 1] += c[:, 0] * rng.normal(0, 0.07) * (0.4 + hard)
    c[:, 0] += c[:, 1] * rng.normal(0, 0.08) * (0.4 + hard)
    a = np.deg2rad(rng.normal(0, 1.5 + 2.0 * hard))
    c = c @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    return c + rng.normal(0, 0.012 * (0.3 + hard), (4, 2)) * (pw, ph)


def _light(im: np.ndarray, rng, night: bool) -> np.ndarray:
    """Shadow edges, light from one side, glare, retro-reflection with bloom."""
    h, w = im.shape
    if rng.random() < 0.5:
        a = rng.uniform(0, 2 * np.pi)
        x, y = np.linspace(-1, 1, w, dtype=np.float32), np.linspace(-1, 1, h, dtype=np.float32)
        im = im * (1 + rng.uniform(0, 0.5) * (np.cos(a) * x[None] + np.sin(a) * y[:, None]))
    if rng.random() < 0.15:
        edge = np.zeros((h, w), np.float32)
        p = (rng.uniform(-0.5, 1.5, (4, 2)) * (w, h)).astype(np.int32)
        cv2.fillConvexPoly(edge, cv2.convexHull(p), 1.0, cv2.LINE_AA)
        im = im * (1 - rng.uniform(0.2, 0.7) * cv2.GaussianBlur(edge, (0, 0), rng.uniform(1, 6)))
    if rng.random() < (0.3 if night else 0.06):
        x, y = rng.uniform(0, 1, 2)
        yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
        d = ((xx - x * w) ** 2 + (yy - y * h) ** 2) / (rng.uniform(0.08, 0.35) * w) ** 2
        im = im + rng.uniform(0.1, 0.9) * np.exp(-d)
    if night and rng.random() < 0.6:
        im = im + rng.uniform(0.1, 0.6) * cv2.GaussianBlur(im, (0, 0), rng.uniform(2, 8))
    return im.astype(np.float32)


def _small_width(rng, one_line: bool, hard: float) -> float:
    """Width of the plate in the stream, pixels."""
    low, high = (42, 170) if one_line else (21, 120)
    low = low + (1 - hard) * (high - low) * 0.5
    k = rng.random()
    if k < 0.55:  # the small ones are where accuracy is won
        high = min(high, 2.3 * low)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_crops(rng, hard: float = 1.0, shots: int = 1) -> list:
    """One plate seen by `shots` cameras: for each the input (48 × 96, 8 bit), its labels, its lines, its width in the stream,
    and whether it is night."""
    plate, text = draw_plate(rng, 1)
    plate = plate[..., 0]
    return [_shot(plate, text, rng, hard) for _ in range(shots)]


def _shot(plate: np.ndarray, text, rng, hard: float):
    h, w = plate.shape
    night = rng.random() < 0.15
    pw = _small_width(rng, len(text.lines) == 1, hard)
    # Seen from above, plates are lower than they are.
    ph = pw * h / w * float(np.exp(rng.normal(-0.04, 0.10)))
    quad = _quad(rng, pw, ph, hard)
    lo, hi = quad.min(0), quad.max(0)
    # The canvas holds the box and what a loose crop shows around it; the phase against the pixel grid is random.
    margin = 0.3 * (hi - lo) + 2
    size = np.ceil(hi - lo + 2 * margin).astype(int)
    shift = margin - lo + rng.uniform(0, 1, 2)
    target = ((quad + shift) * OVER).astype(np.float32)
    big = size * OVER
    while w > 2 * pw * OVER:
        w, h = w // 2, h // 2
        plate = cv2.resize(plate, (w, h), interpolation=cv2.INTER_AREA)
    canvas = _surroundings(rng, int(big[1]), int(big[0])).astype(np.float32)
    if night:
        canvas *= np.float32(rng.uniform(0.1, 0.5))  # the sheet throws light back, bodywork does not
    if rng.random() < 0.6:
        _holder(canvas, target, rng)
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    cv2.warpPerspective(plate, matrix, (int(big[0]), int(big[1])), canvas, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
    canvas = _light(canvas, rng, night)
    if rng.random() < 0.04:  # something in front of a corner
        p = (rng.uniform(-0.1, 0.3, (3, 2)) * big + (rng.random(2) < 0.5) * big * 0.8).astype(np.int32)
        cv2.fillConvexPoly(canvas, p, float(rng.uniform(0, 0.6)), cv2.LINE_AA)
    white = float(np.percentile(plate, 92))
    picture = shoot(canvas, OVER, (int(size[0]), int(size[1])), white, draw_lens(rng, hard, night), rng)
    return cut(picture, lo + shift, hi + shift, rng, hard), text.slots(), len(text.lines), pw, night


def _holder(canvas: np.ndarray, target: np.ndarray, rng) -> None:
    """A plate holder, or the shadow gap around the plate."""
    centre = target.mean(0)
    frame = centre + (target - centre) * (1 + rng.uniform(0.02, 0.12, 2)).astype(np.float32)
    tone = rng.uniform(0, 0.25) if rng.random() < 0.8 else rng.uniform(0.4, 0.9)
    cv2.fillConvexPoly(canvas, np.round(frame * 16).astype(np.int32), float(tone), cv2.LINE_AA, 4)


def cut(picture: np.ndarray, lo: np.ndarray, hi: np.ndarray, rng, hard: float) -> np.ndarray:
    """The plate's box as a locator would give it, a little off, stretched to the input."""
    bw, bh = hi - lo
    centre = 0.05 if rng.random() < 0.6 else 0.10
    e = rng.normal(centre, 0.03 + 0.025 * hard, 4)
    e = np.clip(e, -0.035, 0.27)
    if rng.random() < 0.06:
        e[rng.integers(4)] = -rng.uniform(0.03, 0.08)  # an edge is cut off
    x0, y0 = lo - np.array([bw, bh]) * e[:2]
    x1, y1 = hi + np.array([bw, bh]) * e[2:]
    if rng.random() < 0.5:  # boxes that end on whole pixels
        x0, y0, x1, y1 = round(x0), round(y0), round(x1), round(y1)
    h, w = picture.shape[:2]
    x0, y0, x1, y1 = max(0.0, x0), max(0.0, y0), min(float(w), x1), min(float(h), y1)
    return stretch(picture, x0, y0, x1, y1)


def stretch(picture: np.ndarray, x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """A box of a grey picture stretched to 96 × 48: bilinear, after halving while it is more than twice too large."""
    while (x1 - x0) > 2 * WIDTH and (y1 - y0) > 2 * HEIGHT:
        picture = cv2.resize(picture, (picture.shape[1] // 2, picture.shape[0] // 2), interpolation=cv2.INTER_AREA)
        x0, y0, x1, y1 = x0 / 2, y0 / 2, x1 / 2, y1 / 2
    sx, sy = (x1 - x0) / WIDTH, (y1 - y0) / HEIGHT
    m = np.array([[sx, 0, x0 + 0.5 * sx - 0.5], [0, sy, y0 + 0.5 * sy - 0.5]], np.float64)
    return cv2.warpAffine(picture, m, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
