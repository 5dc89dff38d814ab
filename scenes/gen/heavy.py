"""Lorry and city bus."""
from .mesh import Builder, box, rod, taper


def truck(measures):
    b = Builder()
    front, rear = measures["length"] / 2, -measures["length"] / 2
    box(b, "paint", (2.0, 1.62, 1.62), (0, front - 0.83, 1.25), edge=0.13, k=3, shape=taper(0.8, (0.94, 0.88), -0.06))
    box(b, "glass", (1.74, 0.05, 0.66), (0, front - 0.16, 1.64), (0.17, 0, 0), edge=0.02)
    box(b, "black", (1.2, 0.05, 0.26), (0, front - 0.015, 0.95), edge=0.02)
    box(b, "dark", (1.94, 0.14, 0.26), (0, front - 0.07, 0.52), edge=0.04)
    box(b, "cargo", (measures["width"], 4.42, 2.06), (0, rear + 2.27, 1.98), edge=0.025, k=1)
    box(b, "black", (1.80, 5.6, 0.24), (0, -0.15, 0.76), edge=0.03, k=1)
    box(b, "black", (1.92, 0.08, 0.14), (0, rear + 0.06, 0.50), edge=0.02, k=1)
    for s in (1, -1):
        box(b, "glass", (0.03, 0.74, 0.52), (s * 0.965, front - 0.80, 1.66), edge=0.01, k=1)
        box(b, "black", (0.10, 0.07, 0.34), (s * 1.14, front - 0.18, 1.62), edge=0.02, k=1)
        rod(b, "black", (s * 0.90, front - 0.14, 1.75), (s * 1.14, front - 0.18, 1.72), 0.02, n=6)
        box(b, "head", (0.34, 0.05, 0.17), (s * 0.74, front - 0.01, 0.74), edge=0.02, k=1)
        box(b, "black", (0.05, 3.2, 0.30), (s * 0.98, -0.1, 0.62), edge=0.01, k=1)
        box(b, "tail", (0.30, 0.05, 0.13), (s * 0.80, rear + 0.02, 0.74), edge=0.015, k=1)
        box(b, "amber", (0.10, 0.05, 0.13), (s * 0.56, rear + 0.02, 0.74), edge=0.01, k=1)
        box(b, "black", (0.36, 0.03, 0.40), (s * 0.86, measures["axles"][0] - 0.56, 0.40), edge=0.01, k=1)
        for x in (0.14, 0.56):
            rod(b, "chrome", (s * x, rear + 0.02, 1.04), (s * x, rear + 0.02, 2.92), 0.017, n=8)
        for z in (1.3, 1.95, 2.6):
            box(b, "grey", (0.15, 0.03, 0.06), (s * 0.95, rear + 0.03, z), edge=0.006, k=1)
        for i in range(9):
            box(b, "cargo", (0.03, 0.06, 1.92), (s * 1.05, rear + 0.28 + i * 0.49, 1.98), edge=0.01, k=1)
    box(b, "seam", (0.02, 0.03, 1.96), (0, rear + 0.05, 1.98), edge=0.004, k=1)
    for z in (0.99, 2.98):
        box(b, "grey", (2.06, 0.03, 0.06), (0, rear + 0.04, z), edge=0.006, k=1)
    return b, {"rear": ((0, rear - 0.012, 0.62), 0.0, "short"), "front": ((0, front + 0.015, 0.52), 0.0, "long")}


def bus(measures):
    b = Builder()
    front, rear, hw = measures["length"] / 2, -measures["length"] / 2, measures["width"] / 2
    box(b, "paint", (2.46, 9.98, 2.70), (0, 0, 1.72), edge=0.17, k=4, shape=taper(1.35, (0.955, 0.985)))
    box(b, "stripe", (2.478, 9.90, 0.40), (0, 0, 0.74), edge=0.05)
    box(b, "glass", (2.06, 0.06, 1.0), (0, rear + 0.03, 2.26), (-0.04, 0, 0), edge=0.05)
    box(b, "glass", (2.20, 0.06, 1.42), (0, front - 0.035, 2.0), (0.03, 0, 0), edge=0.05)
    box(b, "sign", (1.3, 0.05, 0.24), (0, front - 0.02, 2.86), edge=0.02, k=1)
    box(b, "sign", (0.8, 0.05, 0.22), (0, rear + 0.03, 2.90), edge=0.02, k=1)
    box(b, "black", (1.3, 0.05, 0.56), (0, rear + 0.005, 1.18), edge=0.03, k=1)
    box(b, "black", (2.3, 0.10, 0.22), (0, rear + 0.05, 0.44), edge=0.03, k=1)
    box(b, "black", (2.3, 0.10, 0.22), (0, front - 0.05, 0.44), edge=0.03, k=1)
    box(b, "cargo", (1.3, 3.0, 0.18), (0, -1.0, 3.12), edge=0.06)
    for s in (1, -1):
        for i in range(6):
            box(b, "glass", (0.03, 1.36, 0.96), (s * 1.205, -4.0 + i * 1.45, 2.16), edge=0.012, k=1)
        if s > 0:
            for y in (3.72, -0.5):
                box(b, "glass", (0.04, 1.05, 2.0), (s * 1.215, y, 1.55), edge=0.012, k=1)
        box(b, "tail", (0.22, 0.05, 0.62), (s * 1.02, rear + 0.005, 1.12), edge=0.03, k=1)
        box(b, "head", (0.42, 0.05, 0.20), (s * 0.88, front - 0.005, 0.84), edge=0.03, k=1)
        box(b, "black", (0.12, 0.10, 0.42), (s * 1.40, front - 0.10, 2.2), edge=0.03, k=1)
        rod(b, "black", (s * 1.10, front - 0.12, 2.62), (s * 1.40, front - 0.10, 2.38), 0.02, n=6)
        for y in measures["axles"]:
            rod(b, "black", (s * (hw - 0.14), y, 0.56), (s * (hw - 0.008), y, 0.56), 0.55, n=30)
    return b, {"rear": ((0, rear - 0.028, 0.68), 0.0, "short"), "front": ((0, front + 0.015, 0.58), 0.0, "long")}
