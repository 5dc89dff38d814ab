"""Camera, routes and motion against hand calculation."""
import math

import numpy as np
import pytest

from gen.camera import Camera
from gen.motion import Motion, Route

CAMERA = Camera("c", (1920, 1080), (1.3, 0.0, 6.2), 14.8, 0.0, 2700.0)


def test_the_optical_axis_meets_the_road_in_the_middle_of_the_picture():
    y = 6.2 / math.tan(math.radians(14.8))
    assert CAMERA.ground_px(1.3, y) == pytest.approx((960, 540), abs=1e-6)


def test_a_metre_at_the_optical_axis_has_focal_over_distance_pixels():
    y = 6.2 / math.tan(math.radians(14.8))
    distance = math.hypot(y, 6.2)
    u, _ = CAMERA.ground_px(2.3, y)
    assert u - 960 == pytest.approx(2700 / distance, rel=1e-9)


def test_yaw_turns_to_the_left():
    turned = Camera("c", (1920, 1080), (0, 0, 6.0), 14.8, 10.0, 2700.0)
    assert turned.ground_px(0, 30)[0] > 960   # what lies straight on moves right when the camera turns left


def test_ground_and_back():
    points = np.array([[0.0, 14.0], [-4.0, 40.0], [5.0, 90.0]])
    px = [CAMERA.ground_px(x, y) for x, y in points]
    assert CAMERA.to_ground(np.array(px)) == pytest.approx(points, abs=1e-9)
    homography = CAMERA.ground_to_px @ np.array([-4.0, 40.0, 1.0])
    assert homography[:2] / homography[2] == pytest.approx(px[1])


def test_scaling_keeps_the_view():
    half = CAMERA.scaled(960)
    assert half.ground_px(2, 30) == pytest.approx(tuple(v / 2 for v in CAMERA.ground_px(2, 30)))


def test_a_route_with_a_rounded_corner_turns_once_and_smoothly():
    route = Route([(0, 0), (0, 30), (-30, 30)], radius_m=6)
    _, _, heading, curvature = route.at(np.linspace(0, route.s[-1], 400))
    assert math.degrees(heading[0]) == pytest.approx(0, abs=0.5)
    assert math.degrees(heading[-1]) == pytest.approx(90, abs=0.5)   # to the left
    assert curvature.max() == pytest.approx(1 / 6, rel=0.1)
    assert route.s[-1] == pytest.approx(60 - 12 + 6 * math.pi / 2, rel=0.01)


def test_speed_is_the_derivative_of_the_way():
    motion = Motion(20, 5.0, 8.0, [{"t": 4.0, "to_kmh": 54, "a": 1.5}, {"t": 12.0, "to_kmh": 0, "a": 2.0}])
    numeric = np.gradient(motion.s, motion.t)
    assert np.abs(numeric - motion.v)[2:-2].max() < 0.01
    assert motion.v.max() == pytest.approx(15.0)
    assert motion.at(20)[1] == 0.0


def test_braking_stops_at_the_place():
    motion = Motion(30, 0.0, 10.0, [{"t": 0, "stop": 60.0, "a": 2.0}])
    s, v, _ = motion.at(29)
    assert v == 0 and s == pytest.approx(60.0, abs=0.03)
    # braking begins v^2 / 2a = 25 m before
    assert motion.at(3.4)[1] == pytest.approx(10.0) and motion.at(3.7)[1] < 10.0
