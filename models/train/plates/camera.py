"""What a street camera makes of a picture: optics, exposure, noise, sharpening, compression.

`shoot` takes light at a few times the final resolution, 0 to 1, and gives the 8-bit picture that reaches a program.
"""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass
class Lens:
    """How bad one picture is."""

    blur: float  # optics, sigma in final pixels
    motion: float  # length in final pixels
    motion_angle: float
    soft: float  # the stream was enlarged this much before it was cut
    white: float  # where the brightest part of the subject comes to lie, 1 is full scale
    haze: float
    gamma: float
    noise: float  # of full scale
    sharpen: float
    sharpen_radius: float
    jpeg: list[int]  # qualities, one after another


def _exposure(rng, night: bool) -> float:
    k = rng.random() * (0.8 if night else 1.0)
    if k < 0.15:
        return rng.uniform(1.0, 1.3)  # blown out
    if k < 0.23:
        return rng.uniform(0.2, 0.45)  # in the dark
    return rng.uniform(0.45, 1.0)


def draw_lens(rng, hard: float = 1.0, night: bool = False) -> Lens:
    """A camera for one picture; `hard` 0 is nearly clean, 1 is the street."""
    motion = rng.exponential(0.7) * hard if rng.random() < 0.25 else 0.0
    qualities = [int(np.clip(rng.normal(86 - 18 * hard, 15), 20, 97))] if rng.random() < 0.85 else []
    if rng.random() < 0.3:
        qualities.append(int(rng.uniform(55, 97)))
    return Lens(
        blur=rng.uniform(0.22, 0.35 + 0.4 * hard),
        motion=min(motion, 4.0),
        motion_angle=rng.uniform(0, np.pi) if rng.random() < 0.5 else rng.choice([0, np.pi / 2]),
        soft=rng.uniform(1.0, 1.45) if rng.random() < 0.3 * hard else 1.0,
        white=_exposure(rng, night),
        haze=rng.normal(0, 0.05),
        gamma=float(np.exp(rng.normal(0, 0.25))),
        # Encoders smooth noise away; what is left of it is rare.
        noise=rng.exponential(0.010 if night or rng.random() < 0.2 else 0.003) * (0.3 + hard),
        sharpen=rng.exponential(1.1) if rng.random() < 0.85 else 0.0,
        sharpen_radius=rng.uniform(0.5, 1.3),
        jpeg=qualities,
    )


def _motion_kernel(length: float, angle: float) -> np.ndarray:
    size = int(np.ceil(length)) | 1
    k = np.zeros((size, size), np.float32)
    c = size // 2
    d = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    a, b = (np.array([c, c]) - d) * 16, (np.array([c, c]) + d) * 16
    cv2.line(k, tuple(int(round(v)) for v in a), tuple(int(round(v)) for v in b), 1.0, 1, cv2.LINE_AA, 4)
    return k / max(k.sum(), 1e-6)


def shoot(light: np.ndarray, over: int, size: tuple[int, int], white: float, lens: Lens, rng) -> np.ndarray:
    """8-bit picture of `size` (width, height) from light at `over` times that size; `white` is the subject's brightest light."""
    im = cv2.GaussianBlur(light, (0, 0), max(0.3, lens.blur * over * lens.soft))
    if lens.motion * over > 1.5:
        im = cv2.filter2D(im, -1, _motion_kernel(lens.motion * over, lens.motion_angle), borderType=cv2.BORDER_REPLICATE)
    w, h = size
    sensor = (max(6, round(w / lens.soft)), max(4, round(h / lens.soft)))
    im = cv2.resize(im, sensor, interpolation=cv2.INTER_AREA)
    im = np.clip(im * (lens.white / max(white, 0.02)) + lens.haze, 0, 1.3) ** lens.gamma
    if lens.noise > 0.001:
        shot = 0.5 + np.sqrt(np.maximum(im, 0))
        im = im + rng.standard_normal(im.shape).astype(np.float32) * (lens.noise * shot)
    if lens.sharpen > 0.05:
        im = im + lens.sharpen * (im - cv2.GaussianBlur(im, (0, 0), lens.sharpen_radius))
    im = np.clip(im, 0, 1)
    if sensor != (w, h):
        im = cv2.resize(im, (w, h), interpolation=cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC)
    im = np.clip(im * 255, 0, 255).astype(np.uint8)
    for quality in lens.jpeg:
        im = compress(im, quality, rng)
    return im


def compress(im: np.ndarray, quality: int, rng) -> np.ndarray:
    """JPEG there and back, the block grid anywhere on the picture."""
    x, y = rng.integers(0, 8, 2)
    h, w = im.shape[:2]
    padded = cv2.copyMakeBorder(im, y, 8, x, 8, cv2.BORDER_REPLICATE)
    if padded.ndim == 3:
        padded = padded[..., ::-1]
    data = cv2.imencode(".jpg", padded, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    back = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if im.ndim == 2 else cv2.IMREAD_COLOR)
    if im.ndim == 3:
        back = back[..., ::-1]
    return np.ascontiguousarray(back[y : y + h, x : x + w])
