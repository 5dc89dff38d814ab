"""From an actor's description to its mesh, wheels and plates. Without Blender."""
import math
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from . import cars, heavy, people, two_wheelers
from .mesh import Mesh, rotation

MEASURES = tomllib.loads((Path(__file__).parent / "models.toml").read_text())
WALK_PHASES = 8
PLATE_M = {"long": (0.520, 0.110), "short": (0.330, 0.165), "moto": (0.190, 0.140)}
"""Circular 79/2024/TT-BCA: sizes of plates from 1 January 2025."""


@dataclass(frozen=True)
class Look:
    """Everything that decides a mesh; actors with equal looks share it."""

    model: str
    covers: tuple[str, ...] = ()
    pack: bool = False
    delivery: bool = False
    taxi: bool = False


@dataclass(frozen=True)
class Built:
    mesh: Mesh
    wheels: tuple[tuple[float, float, float], ...]
    """Middles of the wheels."""
    plates: dict
    """side: (middle, tilt about x, kind)"""


@lru_cache(maxsize=None)
def build(look: Look, pose: str = "") -> Built:
    """`pose`: "" or "foot" (a rider's foot on the road) or "walk0".."walk7"."""
    kind, m = look.model, MEASURES[look.model]
    if kind in cars.BODIES:
        b, plates = cars.car(kind, m, look.taxi)
    elif kind == "truck":
        b, plates = heavy.truck(m)
    elif kind == "bus":
        b, plates = heavy.bus(m)
    elif kind == "bicycle":
        b, plates = two_wheelers.bicycle(m, look.covers[0])
    elif kind == "person":
        b, plates = people.walker(int(pose[4:] or 0) / WALK_PHASES, look.covers[0]), {}
    else:
        b, plates = two_wheelers.motorbike(kind, m, look.covers, pose == "foot", look.pack, look.delivery)
    x = (0.0,) if m["track"] == 0 else (m["track"] / 2, -m["track"] / 2)
    wheels = tuple((sx, y, m["wheel_r"]) for y in m["axles"] for sx in x)
    return Built(b.mesh(), wheels, plates)


@lru_cache(maxsize=None)
def build_wheel(model: str) -> Mesh:
    m = MEASURES[model]
    if model in ("scooter", "wave", "bicycle"):
        return two_wheelers.wheel(m["wheel_r"], 0.1, model)
    return two_wheelers.wheel(m["wheel_r"], 0.26 if model in ("truck", "bus") else 0.20,
                              "heavy" if model in ("truck", "bus") else "car")


def plate_frame(place) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and middle of a plate in the model's frame; the plate itself lies in its x-z plane facing -y."""
    (middle, tilt, _), side = place[0], place[1]
    turn = rotation(tilt if side == "rear" else -tilt, 0, 0)
    if side == "front":
        turn = rotation(0, 0, math.pi) @ turn
    return turn, np.array(middle)


def plate_corners(place, side) -> np.ndarray:
    """Corners in the model's frame as the reader sees them: top left, top right, bottom right, bottom left."""
    turn, middle = plate_frame((place, side))
    w, h = PLATE_M[place[2]]
    local = np.array([(-w / 2, 0, h / 2), (w / 2, 0, h / 2), (w / 2, 0, -h / 2), (-w / 2, 0, -h / 2)])
    return local @ turn.T + middle
