"""Trains the locator on shards that another process may still be drawing.

`python -m plates.locator_train POOL VALIDATION_SHARD OUT --minutes M [--init FILE]`.
"""

import argparse
import copy
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .boxes import STRIDE, best, box_iou
from .locator_net import Locator
from .scenes import PAD, SIDE

BATCH = 24


class Pool:
    """Shards in memory."""

    def __init__(self, folder: Path):
        self.folder, self.seen, self.shards = folder, set(), []

    def refresh(self) -> None:
        for path in sorted(self.folder.glob("[0-9]*.npz")):
            if path.name not in self.seen:
                z = np.load(path)
                self.shards.append((z["x"], z["corners"]))
                self.seen.add(path.name)

    def batch(self, rng):
        """Pieces of four shards: pictures 0 to 1, corners in pixels."""
        xs, cs = [], []
        for _ in range(4):
            x, corners = self.shards[rng.integers(len(self.shards))]
            i = rng.integers(0, len(x), BATCH // 4)
            xs.append(x[i]), cs.append(corners[i])
        x = torch.from_numpy(np.concatenate(xs)).permute(0, 3, 1, 2).float() / 255
        return vary(x, torch.from_numpy(np.concatenate(cs)))


def vary(x: torch.Tensor, corners: torch.Tensor):
    """Mirrored, zoomed, shifted, other light and colours, so that a picture that comes again is not the same."""
    n = x.shape[0]
    flip = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    zoom = torch.exp(torch.randn(n) * 0.18)
    shift = torch.randn(n, 2) * 0.12
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = flip * zoom, zoom, shift
    grey = PAD / 255
    x = F.grid_sample(x - grey, F.affine_grid(theta, x.shape, False), "bilinear", "zeros", False) + grey
    unit = corners * (2 / SIDE) - 1
    scale = torch.stack([flip * zoom, zoom], 1)[:, None, None]
    corners = ((unit - shift[:, None, None]) / scale + 1) * (SIDE / 2)
    mirrored = corners[:, :, [1, 0, 3, 2]]
    corners = torch.where((flip < 0)[:, None, None, None], mirrored, corners)
    x = x * (1 + torch.randn(n, 1, 1, 1) * 0.15) + torch.randn(n, 1, 1, 1) * 0.04
    x = x * (1 + torch.randn(n, 3, 1, 1) * 0.06)
    order = torch.randperm(3) if torch.rand(()) < 0.1 else torch.arange(3)
    return x[:, order].clamp(0, 1), corners


def targets(corners: torch.Tensor, side: int):
    """For each cell: score (1, 0, or -1 for not counted), distances and corners in cells, size of the plate in cells."""
    n, cells = corners.shape[0], side // STRIDE
    centre = (torch.arange(cells) + 0.5) * STRIDE
    gx, gy = centre.expand(cells, cells), centre[:, None].expand(cells, cells)
    score = torch.zeros(n, cells, cells)
    values, size = torch.zeros(n, 12, cells, cells), torch.ones(n, 1, cells, cells)
    for k in range(corners.shape[1]):
        q = corners[:, k]  # n × 4 × 2
        lo, hi = q.amin(1), q.amax(1)
        mid, span = (lo + hi) / 2, hi - lo
        seen = (~torch.isnan(q).any(2).any(1)) & (mid > 0).all(1) & (mid < side).all(1)
        for i in torch.nonzero(seen).flatten().tolist():
            dx, dy = (gx - mid[i, 0]).abs(), (gy - mid[i, 1]).abs()
            w, h = span[i].tolist()
            inside = (dx < w / 2 + 4) & (dy < h / 2 + 4)
            positive = (dx < max(0.22 * w, 4.01)) & (dy < max(0.22 * h, 4.01))
            score[i][inside & (score[i] == 0)] = -1
            score[i][positive] = 1
            box = torch.stack([gx - lo[i, 0], gy - lo[i, 1], hi[i, 0] - gx, hi[i, 1] - gy]) / STRIDE
            four = torch.stack([v for c in q[i] for v in (c[0] - gx, c[1] - gy)]) / STRIDE
            values[i][:, positive] = torch.cat([box.clamp_min(0), four])[:, positive]
            size[i][:, positive] = math.sqrt(w * h) / STRIDE
    return score, values, size


def loss_of(out: torch.Tensor, corners: torch.Tensor):
    """Focal loss of the score, errors of box and corners in shares of the plate's size, and 1 - IoU."""
    score, values, size = targets(corners, SIDE)
    logit = out[:, 0]
    positive, counted = score == 1, score >= 0
    p = torch.sigmoid(logit)
    focal = F.binary_cross_entropy_with_logits(logit, (score > 0).float(), reduction="none")
    focal = focal * torch.where(positive, (1 - p) ** 2, 0.75 * p**2)
    many = positive.sum().clamp_min(1)
    where = positive[:, None].expand(-1, 12, -1, -1)
    error = F.smooth_l1_loss(out[:, 1:] / size, values / size, beta=0.05, reduction="none")[where].sum() / many / 12
    a, b = out[:, 1:5].permute(0, 2, 3, 1)[positive], values[:, :4].permute(0, 2, 3, 1)[positive]
    both = (torch.minimum(a[:, 0], b[:, 0]) + torch.minimum(a[:, 2], b[:, 2])) * (torch.minimum(a[:, 1], b[:, 1]) + torch.minimum(a[:, 3], b[:, 3]))
    area = lambda v: (v[:, 0] + v[:, 2]) * (v[:, 1] + v[:, 3])
    iou = both / (area(a) + area(b) - both + 1e-6)
    return focal[counted].sum() / many + 6 * error + (1 - iou).sum() / many, iou.mean().item()


@torch.no_grad()
def judge(net: Locator, path: Path) -> str:
    """Found at IoU 0.5 where there is one plate, and the score of the strongest cell where there is none."""
    net.eval()
    z = np.load(path)
    found, none, ious = [], [], []
    for i in range(0, len(z["x"]), 64):
        out = net(torch.from_numpy(z["x"][i : i + 64]).permute(0, 3, 1, 2).float() / 255).numpy()
        for o, corners in zip(out, z["corners"][i : i + 64]):
            there = [c for c in corners if not np.isnan(c).any()]
            score, quad = best(o)
            if not there:
                none.append(score)
                continue
            iou = max(box_iou(quad, c) for c in there)
            found.append(iou >= 0.5 and score > 0.3), ious.append(iou)
    return f"found {np.mean(found):.4f} of {len(found)}, median IoU {np.median(ious):.3f}; of {len(none)} without a plate {np.mean(np.array(none) > 0.3):.3f} cry"


def export(net: Locator, out: Path) -> None:
    net = copy.deepcopy(net).eval()
    part = out.with_suffix(".part")
    torch.onnx.export(net, (torch.zeros(1, 3, SIDE, SIDE),), str(part), opset_version=17, input_names=["image"], output_names=["map"], dynamic_axes={"image": {0: "n"}, "map": {0: "n"}})
    os.replace(part, out)


def checkpoint(mean, a) -> None:
    torch.save(mean.state_dict(), a.out.with_suffix(".pt"))
    export(mean, a.out.with_suffix(".onnx"))
    print("validation:", judge(mean, a.validation), flush=True)


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("pool", type=Path), p.add_argument("validation", type=Path), p.add_argument("out", type=Path)
    p.add_argument("--minutes", type=float, default=40), p.add_argument("--init", type=Path)
    p.add_argument("--rate", type=float, default=2e-3), p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.manual_seed(a.seed), torch.set_num_threads(a.threads)
    rng = np.random.default_rng(a.seed)
    net = Locator().to(memory_format=torch.channels_last)
    print("weights", sum(v.numel() for v in net.parameters()), flush=True)
    if a.init:
        net.load_state_dict(torch.load(a.init, weights_only=True))
    mean = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), a.rate, weight_decay=0.02)
    pool = Pool(a.pool)
    begin, step, losses, ious, saved = time.time(), 0, [], [], time.time()
    while (done := (time.time() - begin) / (a.minutes * 60)) < 1:
        if step % 50 == 0:
            pool.refresh()
        for g in optimiser.param_groups:
            g["lr"] = a.rate * min(1, (step + 1) / 150) * (0.5 * (1 + math.cos(math.pi * done)) + 0.004)
        x, corners = pool.batch(rng)
        net.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = net(x.contiguous(memory_format=torch.channels_last))
        loss, iou = loss_of(out.float(), corners)
        optimiser.zero_grad(), loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        step += 1
        with torch.no_grad():
            keep = min(0.998, (1 + step) / (20 + step))
            for m, v in zip(mean.state_dict().values(), net.state_dict().values()):
                m.lerp_(v, 1 - keep) if m.dtype.is_floating_point else m.copy_(v)
        losses.append(loss.item()), ious.append(iou)
        if step % 50 == 0:
            print(f"{time.time() - begin:.0f} s step {step} shards {len(pool.shards)} loss {np.mean(losses[-50:]):.3f} IoU {np.nanmean(ious[-50:]):.3f}", flush=True)
        if time.time() - saved > 480:
            saved = time.time()
            checkpoint(mean, a)
    checkpoint(mean, a)


if __name__ == "__main__":
    main()
