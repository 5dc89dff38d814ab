"""Plates, degradation, camera files and training data, all without Blender."""
import random
import re
import tomllib
from datetime import datetime, timezone

import numpy as np
import pytest

from gen import plates, stills
from gen.camera_file import ground_points, scene_toml
from gen.degrade import Sensor
from gen.models import PLATE_M
from gen.world import load

SETTINGS = {"blur_px": 0.6, "sharpen": 0.4, "noise": 1.0, "haze": 0.05, "rain": 0.3}
START = datetime(2026, 11, 21, 7, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize("shape, text, rows", [("long", "30F-256.58", ["30F-256.58"]), ("short", "29C-640.28", ["29C", "640.28"]),
                                               ("moto", "29-B1 123.45", ["29-B1", "123.45"])])
def test_plates_are_set_on_the_right_number_of_lines(shape, text, rows):
    assert plates.lines(text, shape) == rows
    picture = plates.picture(text, "transport", shape)
    assert picture.width / picture.height == pytest.approx(PLATE_M[shape][0] / PLATE_M[shape][1], rel=0.01)
    r, g, b = picture.getpixel((picture.width // 2, 12))
    assert r > 200 and g > 150 and b < 80, "transport plates are yellow"
    ink = (np.array(picture).max(-1) < 60).mean()
    assert 0.1 < ink < 0.6


def test_random_plates_are_issued_ones():
    r = random.Random(4)
    for _ in range(300):
        text, kind = stills.random_plate(r, True)
        assert re.fullmatch(r"\d\d-[A-Z][A-Z1-9] \d{3}\.\d\d", text) and not re.search("[IJOQW]", text)
        text, kind = stills.random_plate(r, False)
        assert kind in plates.COLOURS
        if kind != "army":
            assert int(text[:2]) in stills.ISSUED


def test_random_traffic_is_repeatable_and_free_of_conflicts():
    from gen.collide import conflicts
    base = load("junction_day")
    one, two = stills.random_world(base, 7, 12), stills.random_world(base, 7, 12)
    assert [a.id for a in one.actors] == [a.id for a in two.actors] and len(one.actors) >= 8
    assert conflicts(one, step_s=1.0) == {}


def test_the_sensor_is_repeatable_and_writes_the_time():
    image = np.full((180, 320, 3), 120, np.uint8)
    make = lambda: Sensor((320, 180), SETTINGS, "CAM", START, seed=5).frame(image, 3, 1.0)
    a, b = make(), make()
    assert (a == b).all() and a.dtype == np.uint8
    assert a[:8, :200].max() > 230 and a[:8, :200].min() < 30, "white letters with a dark rim"
    assert 1 < a[60:].std() < 25


def test_noise_grows_with_the_setting():
    image = np.full((180, 320, 3), 120, np.uint8)
    calm, wild = (Sensor((320, 180), SETTINGS | {"noise": n, "rain": 0.0, "sharpen": 0.0}, "", START).frame(image, 0, 0)[90:].std(0).mean()
                  for n in (0.5, 3.0))
    assert wild > 2 * calm


@pytest.mark.parametrize("name", ["junction_day", "junction_night", "road_speed"])
def test_camera_files_are_in_step_with_the_road(name):
    world = load(name)
    for camera in world.cameras:
        path = world.folder / ("camera.toml" if camera.name == "main" else f"camera-{camera.name}.toml")
        written = scene_toml(world, camera)
        assert path.read_text() == written, f"run `python -m gen cameras {name}`"
        scene = tomllib.loads(written)["scene"]
        w, h = scene["frame_px"]
        for lane in scene["lanes"]:
            assert all(0 <= x <= w and 0 <= y <= h for x, y in lane["polygon"])
        assert len(scene["ground"]["points"]) >= 8


def test_ground_points_lead_back_to_the_road():
    world = load("junction_day")
    camera = world.camera("main")
    for px, m in ground_points(world, camera):
        assert camera.to_ground(np.array([px]))[0] == pytest.approx(m, abs=1e-6)
