"""What a camera sees of the actors at one moment: boxes, silhouettes, plates, shadows. Without Blender."""
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .camera import Camera
from .models import build, build_wheel, plate_corners
from .world import Actor, State

NEAR_M = 2.0
"""Actors nearer than this to the camera's plane are not drawn."""
CONTACT_M = 0.35
"""How far the soft shadow of the gap below a vehicle reaches."""
LAMP_REACH_M, LAMP_SHADOW_M = 16.0, 4.0
"""Street lamps farther away, and shadows farther out, are too faint to see."""
SUB = 4
"""Bits of sub-pixel precision of the silhouettes."""


@lru_cache(maxsize=None)
def solid(look, pose: str):
    """Vertices and faces of the body with its wheels, in the model's frame; faces as arrays by number of corners."""
    built = build(look, pose)
    v, faces = [built.mesh.vertices], list(built.mesh.faces)
    n = len(built.mesh.vertices)
    for place in built.wheels:
        wheel = build_wheel(look.model)
        v.append(wheel.vertices + np.array(place))
        faces += [tuple(i + n for i in f) for f in wheel.faces]
        n += len(wheel.vertices)
    return np.concatenate(v), [np.array(f) for f in faces]


@lru_cache(maxsize=None)
def extremes(look, pose: str):
    """The few vertices that decide every bounding box and hull."""
    v = solid(look, pose)[0]
    d = np.random.default_rng(3).normal(size=(700, 3))
    return v[np.unique((v @ d.T).argmax(0))]


@dataclass
class Sight:
    """An actor in a picture."""

    actor: Actor
    state: State
    pose: str
    box: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels, not cut at the picture's edge."""
    depth: float
    hull: np.ndarray | None = None
    """What `touched` says, once asked."""

    def world(self, points):
        m = self.state.matrix
        return points @ m[:3, :3].T + m[:3, 3]

    def key(self):
        """Equal keys: equal pixels."""
        s = self.state
        return (self.pose, round(s.x, 4), round(s.y, 4), round(s.heading, 4), self.actor.brake(s))


def look_at(camera: Camera, actor: Actor, t: float) -> Sight | None:
    """None when nothing of it can be in the picture."""
    state = actor.state(t)
    if camera.depth(np.array([[state.x, state.y, 0.5]]))[0] < NEAR_M - 1 + actor.length:
        return None
    pose = actor.pose(state)
    sight = Sight(actor, state, pose, (0, 0, 0, 0), 0.0)
    p = sight.world(extremes(actor.look, pose))
    depth = camera.depth(p)
    if depth.min() < NEAR_M:
        return None
    px = camera.project(p)
    sight.box = (*px.min(0), *px.max(0))
    sight.depth = float(camera.depth(np.array([[state.x, state.y, 0.0]]))[0])
    return sight


def inside(box, size) -> bool:
    return box[2] > 0 and box[3] > 0 and box[0] < size[0] and box[1] < size[1]


def touched(camera: Camera, sight: Sight, sun_shift=None, beam_m: float = 0.0, lamps=()) -> np.ndarray:
    """Convex outline in pixels of all that changes when the actor moves: itself, its shadows from the sun or from street
    lamps (x, y, z), the contact shadow, the light of its own lamps on the road for `beam_m` ahead."""
    p = sight.world(extremes(sight.actor.look, sight.pose))
    low = p[p[:, 2] < 0.6]
    parts = [p] + [np.c_[low[:, :2] + d, np.zeros(len(low))] for d in
                   (CONTACT_M * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]))]
    if sun_shift is not None:
        shadow = p[:, :2] + p[:, 2:] * np.array(sun_shift)
        soft = 0.05 + 0.03 * p[:, 2:]
        parts += [np.c_[shadow - soft, np.zeros(len(p))], np.c_[shadow + soft, np.zeros(len(p))]]
    for lamp in lamps:
        lx, ly, lz = lamp[:3]
        if (lx - sight.state.x) ** 2 + (ly - sight.state.y) ** 2 < LAMP_REACH_M ** 2:
            away = (p[:, :2] - (lx, ly)) * (p[:, 2:] / (lz - p[:, 2:]))   # similar triangles
            length = np.linalg.norm(away, axis=1, keepdims=True)
            away *= np.minimum(1, LAMP_SHADOW_M / np.maximum(length, 1e-6))
            parts.append(np.c_[p[:, :2] + away, np.zeros(len(p))])
    if beam_m and sight.actor.cls not in ("bicycle", "pedestrian"):
        front, half = sight.actor.length / 2, sight.actor.width / 2
        parts.append(sight.world(np.array([[s * (half + d * 0.45), front + d, 0.0] for s in (1, -1) for d in (0.2, beam_m)])))
    q = np.concatenate(parts)
    q = q[camera.depth(q) > 0.5]
    return cv2.convexHull(camera.project(q).astype(np.float32))[:, 0]


def silhouette(camera: Camera, sight: Sight, mask: np.ndarray, value: int):
    """Fills the exact outline into `mask` (uint8 or int32)."""
    v, faces = solid(sight.actor.look, sight.pose)
    px = np.round(camera.project(sight.world(v)) * (1 << SUB) - (1 << (SUB - 1))).astype(np.int32)
    for face in faces:
        cv2.fillConvexPoly(mask, px[face], value, cv2.LINE_8, SUB)


def plates_seen(camera: Camera, sight: Sight):
    """Plates that face the camera: {side: 4 x 2 pixels}."""
    out = {}
    if not sight.actor.plate:
        return out
    for side, place in build(sight.actor.look, sight.pose).plates.items():
        c = sight.world(plate_corners(place, side))
        normal = np.cross(c[3] - c[0], c[1] - c[0])
        to_camera = np.array(camera.position_m) - c.mean(0)
        if normal @ to_camera / np.linalg.norm(to_camera) / np.linalg.norm(normal) > 0.2:
            out[side] = camera.project(c)
    return out
