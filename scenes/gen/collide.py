"""Conflict check: no two actors through one another, and nobody over a kerb's pole."""
import numpy as np

from .world import World


def footprint(actor, state):
    """Circles along the vehicle's axis that cover its outline: N x 2 middles and one radius."""
    w, length = actor.width, actor.length
    n = max(2, int(np.ceil(length / w * 1.6)))
    c = np.linspace(-length / 2 + w / 2, length / 2 - w / 2, n)
    return np.c_[state.x - c * np.sin(state.heading), state.y + c * np.cos(state.heading)], w / 2


def conflicts(world: World, step_s: float = 0.08, clearance_m: float = 0.05, reach_m: float = 70.0):
    """Pairs that come closer than `clearance_m` where a camera may see it: {(a, b): [(t, gap, place)]}."""
    found = {}
    for t in np.arange(0, world.config["duration_s"], step_s):
        prints = [(a, *footprint(a, a.state(t))) for a in world.actors]
        prints = [p for p in prints if abs(p[1][:, 0].mean()) < reach_m
                  and any(0 < p[1][:, 1].mean() - c.position_m[1] < reach_m * 2 for c in world.cameras)]
        for i, (a, pa, ra) in enumerate(prints):
            for b, pb, rb in prints[:i]:
                if np.abs(pa[0] - pb[0]).max() > 16:
                    continue
                gap = np.linalg.norm(pa[:, None] - pb[None], axis=2).min() - ra - rb
                if gap < clearance_m:
                    found.setdefault((b.id, a.id), []).append((round(float(t), 2), round(float(gap), 2),
                                                              pa[0].round(1).tolist()))
    return found
