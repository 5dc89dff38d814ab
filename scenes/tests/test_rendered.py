"""What needs Blender: computed outlines against rendered ones. Skipped without the module `bpy`."""
import pytest

pytest.importorskip("bpy", reason="Blender as a module is not installed")

from gen.render import merge, strips  # noqa: E402
from gen.world import load  # noqa: E402


def test_silhouettes_are_those_that_blender_renders(monkeypatch, tmp_path):
    from gen.verify import compare
    monkeypatch.setenv("STOPLINE_RENDER_CACHE", str(tmp_path))
    world = load("junction_day")
    rows = compare(world, world.camera("main").scaled(960), 24.0, least_px=700)
    assert len(rows) >= 8
    for actor, overlap, edge in rows:
        assert overlap > 0.85 and edge <= 2, actor


def test_strips_hug_a_slanting_outline_and_lose_nothing():
    import numpy as np
    weight = np.zeros((300, 400), np.float32)
    for y in range(300):
        weight[y, y:y + 60] = 1
    parts = strips((10, 20, 410, 320), weight)
    again = np.zeros((340, 420), np.float32)
    for (x0, y0, x1, y1), w in parts:
        again[y0:y1, x0:x1] = w
    assert (again[20:320, 10:410] == weight).all()
    assert sum((r[2] - r[0]) * (r[3] - r[1]) for r, _ in parts) < 0.6 * weight.size


def test_merging_joins_neighbours_and_leaves_the_far_alone():
    jobs = [((0, 0, 100, 100), "a"), ((100, 0, 200, 100), "b"), ((900, 900, 950, 950), "c")]
    groups = merge(jobs)
    assert sorted(r for r, _ in groups) == [(0, 0, 200, 100), (900, 900, 950, 950)]
    assert sorted(w for _, parts in groups for _, w in parts) == ["a", "b", "c"]
