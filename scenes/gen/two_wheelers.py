"""Scooter, underbone motorbike ("wave") and bicycle with their riders."""
import math

from .mesh import Builder, ball, box, ring, rod, taper
from .people import rider


def motorbike(kind, measures, covers, foot_down, pack=False, delivery=False):
    """`covers`: what each rider wears on the head, driver first; `foot_down`: standing at a light."""
    b = Builder()
    scooter = kind == "scooter"
    r, (ya, yf) = measures["wheel_r"], measures["axles"]
    for s in (1, -1):
        rod(b, "chrome", (s * 0.08, yf, r), (s * 0.07, yf - 0.25, 0.88), 0.023, n=8)
        rod(b, "chrome", (s * 0.12, ya, r), (s * 0.11, ya + 0.13, 0.62), 0.028, n=8)
        rod(b, "black", (s * 0.05, ya, r), (s * 0.07, ya + 0.45, 0.34), 0.03, n=8)
    ring(b, "paint" if scooter else "black", r + 0.04, 0.05, (0, yf, r), (0.5, 2.4), n=14, wide=1.3)
    ring(b, "black", r + 0.035, 0.045, (0, ya, r), (1.0, 2.9), n=14, wide=1.4)
    # body from tail to leg shield
    def tail(v):
        f = ((0.5 - v[:, 1] / 0.98) ** 1.6)[:, None]
        out = v.copy()
        out[:, 0:1] *= 1 - 0.38 * f
        out[:, 2:3] = v[:, 2:3] * (1 - 0.45 * f) + 0.06 * f
        return out
    box(b, "paint", (0.30 if scooter else 0.24, 0.98, 0.30), (0, -0.43, 0.60), edge=0.10, k=3, shape=tail)
    box(b, "seat", (0.27, 0.82, 0.11), (0, -0.37, 0.765), (0.06, 0, 0), edge=0.05, k=3, shape=taper(0.055, (0.9, 0.97)))
    box(b, "dark", (0.21, 0.52, 0.28), (0, -0.18, 0.37), edge=0.06)
    if scooter:
        box(b, "black", (0.30, 0.42, 0.07), (0, 0.20, 0.32), edge=0.03)
        box(b, "paint", (0.28, 0.46, 0.09), (0, 0.20, 0.275), edge=0.04)
    else:
        box(b, "paint", (0.12, 0.62, 0.14), (0, 0.14, 0.52), (0.35, 0, 0), edge=0.05)
        box(b, "dark", (0.22, 0.30, 0.20), (0, 0.06, 0.32), edge=0.05)
    box(b, "paint", (0.42 if scooter else 0.36, 0.11, 0.54), (0, 0.44, 0.62), (0.36, 0, 0), edge=0.05, k=3,
        shape=taper(0.27, (0.72, 1.0)))
    box(b, "paint", (0.25, 0.22, 0.21), (0, 0.36, 0.99), (0.25, 0, 0), edge=0.08, k=3)
    ball(b, "head", (0.088, 0.05, 0.070), (0, 0.465, 0.985), n=7)
    rod(b, "black", (-0.34, 0.25, 1.04), (0.34, 0.25, 1.04), 0.017, n=8)
    for s in (1, -1):
        rod(b, "black", (s * 0.24, 0.25, 1.04), (s * 0.35, 0.24, 1.03), 0.025, n=8)
        rod(b, "black", (s * 0.22, 0.27, 1.04), (s * 0.29, 0.25, 1.22), 0.007, n=5)
        ball(b, "black", (0.072, 0.014, 0.046), (s * 0.30, 0.245, 1.24), n=6)
        rod(b, "chrome", (s * 0.13, -0.36, 0.78), (s * 0.09, -0.86, 0.82), 0.014, n=6)
        ball(b, "amber", (0.035, 0.03, 0.03), (s * 0.13, -0.87, 0.67), n=5)
        ball(b, "amber", (0.045, 0.02, 0.02), (s * 0.19, 0.46, 0.80), n=5)
        ring(b, "disc", r * 0.5, 0.012, (s * 0.055, ya, r), n=14, m=4)
    rod(b, "chrome", (-0.09, -0.86, 0.82), (0.09, -0.86, 0.82), 0.014, n=6)
    box(b, "tail", (0.18, 0.06, 0.09), (0, -0.885, 0.68), (0.2, 0, 0), edge=0.025)
    box(b, "black", (0.16, 0.025, 0.36), (0, -0.905, 0.47), (-0.30, 0, 0), edge=0.010, k=1)
    rod(b, "dark", (0.15, 0.0, 0.27), (0.18, -0.45, 0.30), 0.03, n=8)
    rod(b, "chrome" if scooter else "dark", (0.18, -0.36, 0.30), (0.185, -0.84, 0.40), 0.056, 0.048, n=10)
    front_row = len(covers) == 3
    y = -0.10 if front_row else -0.16
    for i, cover in enumerate(covers):
        rider(b, y - 0.30 * i - (0.02 if i else 0), cover, ("shirt", "shirt2", "shirt3")[i], foot_down and i == 0,
              "bars" if i == 0 else "holds", lean=0.05 + 0.02 * i, seat_z=0.78 + 0.02 * i,
              bars=(0.30, 0.24, 1.03), pack=pack and i == len(covers) - 1, tall=1.0 if i < 2 else 0.94,
              feet=(0.14, 0.06 if scooter else -0.10, 0.40 if scooter else 0.32))
    if delivery:
        box(b, "delivery", (0.48, 0.44, 0.46), (0, -0.72, 1.08), edge=0.03, k=1)
    return b, {"rear": ((0, -0.930, 0.51), -0.30, "moto")}


def bicycle(measures, cover):
    b = Builder()
    r, (ya, yf) = measures["wheel_r"], measures["axles"]
    tubes = [((0, ya, r), (0, -0.05, 0.30)), ((0, -0.05, 0.30), (0, -0.20, 0.82)), ((0, -0.05, 0.30), (0, 0.37, 0.82)),
             ((0, -0.17, 0.74), (0, 0.37, 0.84)), ((0, ya, r), (0, -0.17, 0.74)), ((0, yf, r), (0, 0.35, 1.0))]
    for p, q in tubes:
        rod(b, "paint", p, q, 0.017, n=8)
    rod(b, "black", (-0.28, 0.28, 1.02), (0.28, 0.28, 1.02), 0.014, n=6)
    box(b, "seat", (0.17, 0.25, 0.06), (0, -0.20, 0.86), edge=0.025)
    box(b, "dark", (0.32, 0.24, 0.22), (0, 0.58, 0.86), edge=0.02, k=1)
    box(b, "chrome", (0.13, 0.42, 0.02), (0, -0.52, 0.72), edge=0.006, k=1)
    box(b, "tail_dim", (0.05, 0.02, 0.04), (0, -0.735, 0.68), edge=0.005, k=1)
    rider(b, -0.20, cover, "shirt", lean=0.12, seat_z=0.84, bars=(0.27, 0.24, 1.04), feet=(0.11, -0.15, 0.30))
    return b, {}


def wheel(r, wide, kind):
    """A wheel about the x axis with its middle at the origin. `kind`: car, heavy, scooter, wave, bicycle."""
    b = Builder()
    o = (0.0, 0.0, 0.0)
    if kind in ("car", "heavy"):
        rod(b, "tyre", (-wide / 2, 0, 0), (wide / 2, 0, 0), r, n=30)
        for s in (1, -1):
            rod(b, "tyre", (s * wide / 2, 0, 0), (s * (wide / 2 + 0.012), 0, 0), r * 0.96, r * 0.86, n=30)
            rod(b, "rim" if kind == "car" else "grey", (s * (wide / 2), 0, 0), (s * (wide / 2 + 0.015), 0, 0), r * 0.70,
                r * 0.66, n=24)
            for k in range(5):
                t = 2 * math.pi * k / 5
                ball(b, "black", (0.004, r * 0.13, r * 0.20), (s * (wide / 2 + 0.016), r * 0.42 * math.cos(t),
                                                              r * 0.42 * math.sin(t)), (t - math.pi / 2, 0, 0), n=4)
    else:
        thick = {"scooter": 0.052, "wave": 0.040, "bicycle": 0.018}[kind]
        ring(b, "tyre", r - thick, thick, o, n=30)
        rod(b, "rim", (-0.05, 0, 0), (0.05, 0, 0), 0.05 if kind != "bicycle" else 0.02, n=10)
        n, thin = {"scooter": (5, 0.020), "wave": (12, 0.004), "bicycle": (14, 0.002)}[kind]
        for k in range(n):
            t = 2 * math.pi * k / n
            rod(b, "rim", o, (0, (r - thick * 1.5) * math.cos(t), (r - thick * 1.5) * math.sin(t)), thin, n=5)
    return b.mesh()
