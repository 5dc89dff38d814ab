"""Where an actor is at a time: a route (plane curve by arc length) and a speed programme along it."""
import math

import numpy as np

STEP_S = 0.004


class Route:
    """A polyline with rounded corners, densely sampled. `s` is arc length; `origin` the arc length written as 0."""

    def __init__(self, points, radius_m: float = 0.0, wobble_m: float = 0.0):
        pts = [np.array(p, float) for p in points]
        line = [pts[0]]
        for before, corner, after in zip(pts, pts[1:], pts[2:]):
            line += _fillet(before, corner, after, radius_m)
        line.append(pts[-1])
        dense = [line[0]]
        for a, b in zip(line, line[1:]):
            n = max(1, int(np.linalg.norm(b - a) / 0.5))
            dense += [a + (b - a) * i / n for i in range(1, n + 1)]
        p = np.array(dense)
        if wobble_m:
            s = np.r_[0, np.cumsum(np.linalg.norm(np.diff(p, axis=0), axis=1))]
            d = np.gradient(p, s, axis=0)
            p = p + np.c_[-d[:, 1], d[:, 0]] * (wobble_m * np.sin(s / 6.1))[:, None]
        self.s = np.r_[0, np.cumsum(np.linalg.norm(np.diff(p, axis=0), axis=1))]
        self.p = p
        d = np.gradient(p, self.s, axis=0)
        self.heading = np.unwrap(np.arctan2(-d[:, 0], d[:, 1]))
        """Turn about z from +y, radians, left positive."""
        self.curvature = np.gradient(self.heading, self.s)

    def at(self, s):
        """Position, heading and curvature at arc lengths `s`; beyond the ends it goes on straight."""
        s = np.asarray(s, float)
        over = s - np.clip(s, self.s[0], self.s[-1])
        heading = np.interp(s, self.s, self.heading)
        x = np.interp(s, self.s, self.p[:, 0]) - np.sin(heading) * over
        y = np.interp(s, self.s, self.p[:, 1]) + np.cos(heading) * over
        return x, y, heading, np.interp(s, self.s, self.curvature)

    def s_of(self, axis: str, value: float) -> float:
        """Arc length where the coordinate `axis` ("x" or "y") first takes `value`."""
        c = self.p[:, "xy".index(axis)] - value
        i = np.nonzero(c[:-1] * c[1:] <= 0)[0]
        if not len(i):
            raise ValueError(f"the route never has {axis} = {value}")
        i = i[0]
        f = c[i] / (c[i] - c[i + 1]) if c[i] != c[i + 1] else 0.0
        return float(self.s[i] + f * (self.s[i + 1] - self.s[i]))


def _fillet(a, b, c, radius):
    """Points of the arc that rounds the corner b."""
    u, v = a - b, c - b
    lu, lv = np.linalg.norm(u), np.linalg.norm(v)
    u, v = u / lu, v / lv
    angle = math.acos(float(np.clip(u @ v, -1, 1)))
    if radius <= 0 or angle > math.pi - 1e-4:
        return [b]
    cut = min(radius / math.tan(angle / 2), 0.49 * min(lu, lv))
    r = cut * math.tan(angle / 2)
    mid = (u + v) / np.linalg.norm(u + v)
    centre = b + mid * r / math.sin(angle / 2)
    p, q = b + u * cut - centre, b + v * cut - centre
    sweep = math.atan2(p[0] * q[1] - p[1] * q[0], p @ q)
    n = max(4, int(abs(sweep) / math.radians(3)))
    turn = lambda t: np.array([[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]])
    return [centre + turn(sweep * i / n) @ p for i in range(n + 1)]


class Motion:
    """Speed and arc length over time, integrated once at `STEP_S`; every reading interpolates this one table.

    `steps`: tables in order of time, each one of
      {t, to_kmh, a}     from t on, change speed by at most a m/s2 until to_kmh is reached
      {stop, a, front}   brake with a m/s2 so that the vehicle's reference point stops at arc length `stop`
    The reference point is the middle of the vehicle; the loader has already taken half the length off.
    """

    def __init__(self, duration_s: float, s0: float, v0_ms: float, steps: list[dict]):
        n = int(math.ceil(duration_s / STEP_S)) + 2
        self.t = np.arange(n) * STEP_S
        v, s, a = np.empty(n), np.empty(n), np.zeros(n)
        v[0], s[0] = v0_ms, s0
        k, goal, rate, stop = 0, v0_ms, 0.0, None
        for i in range(n - 1):
            while k < len(steps) and steps[k].get("t", 0.0) <= self.t[i]:
                step = steps[k]
                if "to_kmh" in step:
                    goal, rate, stop = step["to_kmh"] / 3.6, step["a"], None
                else:
                    stop = (step["stop"], step["a"])
                k += 1
            if stop is not None:
                left = stop[0] - s[i]
                if v[i] ** 2 / (2 * stop[1]) >= left - 1e-3:
                    want = v[i] ** 2 / (2 * max(left, 1e-3))
                    a[i] = -min(want, stop[1] * 1.5)
                if left <= 2e-3:
                    a[i], v[i] = 0.0, 0.0
            elif v[i] != goal:
                a[i] = math.copysign(rate, goal - v[i])
            nxt = v[i] + a[i] * STEP_S
            if stop is None and (goal - v[i]) * (goal - nxt) < 0:
                nxt = goal
            v[i + 1] = max(nxt, 0.0)
            s[i + 1] = s[i] + (v[i] + v[i + 1]) / 2 * STEP_S
        a[-1] = a[-2]
        self.v, self.s, self.a = v, s, a

    def at(self, t: float) -> tuple[float, float, float]:
        """Arc length m, speed m/s, acceleration m/s2."""
        i = min(int(t / STEP_S + 1e-6), len(self.t) - 1)
        return float(np.interp(t, self.t, self.s)), float(np.interp(t, self.t, self.v)), float(self.a[i])
