"""The pinhole camera: intrinsics, pose, projection and the homography of the road plane.

World frame: metres, x to the right of our direction of travel, y along it, z up, the road at z = 0.
Camera frame: x right, y down, z forward (the usual one of computer vision). Pixel (0, 0) is the outer corner of the
first pixel, so the centre of the picture is (width / 2, height / 2).
"""
import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """A camera as it stands in `scene.toml`."""

    name: str
    size: tuple[int, int]
    position_m: tuple[float, float, float]
    pitch_deg: float
    """Downwards from the horizon."""
    yaw_deg: float
    """To the left (counter-clockwise seen from above) from +y."""
    focal_px: float
    speed_zone_y_m: tuple[float, float] | None = None

    @staticmethod
    def read(table: dict) -> "Camera":
        zone = table.get("speed_zone_y_m")
        return Camera(table["name"], tuple(table["size_px"]), tuple(table["position_m"]), table["pitch_deg"],
                      table.get("yaw_deg", 0.0), table["focal_px"], tuple(zone) if zone else None)

    def scaled(self, width: int) -> "Camera":
        """The same view with another number of pixels."""
        k = width / self.size[0]
        size = (width, round(self.size[1] * k))
        return Camera(self.name, size, self.position_m, self.pitch_deg, self.yaw_deg, self.focal_px * k,
                      self.speed_zone_y_m)

    @property
    def intrinsics(self) -> np.ndarray:
        w, h = self.size
        return np.array([[self.focal_px, 0, w / 2], [0, self.focal_px, h / 2], [0, 0, 1.0]])

    @property
    def rotation(self) -> np.ndarray:
        """World to camera."""
        p, w = math.radians(self.pitch_deg), math.radians(self.yaw_deg)
        tilt = np.array([[1, 0, 0], [0, -math.sin(p), -math.cos(p)], [0, math.cos(p), -math.sin(p)]])
        turn = np.array([[math.cos(w), math.sin(w), 0], [-math.sin(w), math.cos(w), 0], [0, 0, 1]])
        return tilt @ turn

    @property
    def matrix(self) -> np.ndarray:
        """3x4: world metres (homogeneous) to pixels (homogeneous)."""
        r = self.rotation
        return self.intrinsics @ np.hstack([r, -r @ np.array(self.position_m)[:, None]])

    @property
    def ground_to_px(self) -> np.ndarray:
        """3x3: road plane metres to pixels."""
        return self.matrix[:, [0, 1, 3]]

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Distance along the optical axis, metres."""
        return (np.asarray(points, float) - np.array(self.position_m)) @ self.rotation[2]

    def project(self, points: np.ndarray) -> np.ndarray:
        """N x 3 metres to N x 2 pixels. The points must lie in front of the camera."""
        points = np.atleast_2d(np.asarray(points, float))
        h = np.c_[points, np.ones(len(points))] @ self.matrix.T
        return h[:, :2] / h[:, 2:]

    def ground_px(self, x: float, y: float) -> tuple[float, float]:
        u, v = self.project([[x, y, 0.0]])[0]
        return float(u), float(v)

    def to_ground(self, px: np.ndarray) -> np.ndarray:
        """N x 2 pixels to N x 2 metres on the road."""
        px = np.atleast_2d(np.asarray(px, float))
        h = np.c_[px, np.ones(len(px))] @ np.linalg.inv(self.ground_to_px).T
        return h[:, :2] / h[:, 2:]
