"""Trains the reader on shards that another process may still be drawing.

`python -m plates.reader_train POOL VALIDATION OUT --minutes M [--init FILE] [--peer FILE]`; exports OUT.onnx at each checkpoint.

Two trainers on two cores may each name the other's `OUT.raw.pt` as peer: every so many steps each moves to the mean of both.
"""

import argparse
import copy
import math
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .reader_net import Reader

BATCH = 66


class Pool:
    """Shards in memory, the newest first to be read; each sample is drawn at random from all of them."""

    def __init__(self, folder: Path, keep: int):
        self.folder, self.keep, self.seen, self.shards = folder, keep, set(), []

    def refresh(self) -> None:
        for path in sorted(self.folder.glob("[0-9]*.npz")):
            if path.name not in self.seen:
                z = np.load(path)
                self.shards.append((z["x"], z["y"], z["lines"]))
                self.seen.add(path.name)
        self.shards = self.shards[-self.keep :]

    def batch(self, rng) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Pieces of six shards."""
        xs, ys, ls = [], [], []
        for _ in range(6):
            x, y, lines = self.shards[rng.integers(len(self.shards))]
            i = rng.integers(0, len(x), BATCH // 6)
            xs.append(x[i]), ys.append(y[i]), ls.append(lines[i])
        return tuple(torch.from_numpy(np.concatenate(a)) for a in (xs, ys, ls))


def vary(x: torch.Tensor) -> torch.Tensor:
    """Cheap changes, so that a picture that comes again is not the same: shift, scale, light, noise."""
    n = x.shape[0]
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = 1 + torch.randn(n) * 0.03
    theta[:, 1, 1] = 1 + torch.randn(n) * 0.03
    theta[:, 0, 1] = torch.randn(n) * 0.02
    theta[:, 1, 0] = torch.randn(n) * 0.02
    theta[:, :, 2] = torch.randn(n, 2) * 0.025
    x = F.grid_sample(x, F.affine_grid(theta, x.shape, False), "bilinear", "border", False)
    noise = torch.rand(n, 1, 1, 1).pow(4) * 0.06
    return (x + torch.randn_like(x) * noise).clamp(0, 1)


@torch.no_grad()
def judge(net: Reader, folder: Path) -> str:
    """Exact and per-character shares on the drawn validation plates, by width in the stream."""
    net.eval()
    right, chars, widths, lines = [], [], [], []
    for path in sorted(folder.glob("[0-9]*.npz")):
        z = np.load(path)
        for i in range(0, len(z["x"]), 512):
            x = torch.from_numpy(z["x"][i : i + 512]).float().unsqueeze(1) / 255
            logits, two = net(x)
            hit = logits.argmax(-1).numpy() == z["y"][i : i + 512]
            right.append(hit.all(1)), chars.append(hit.mean(1)), widths.append(z["widths"][i : i + 512])
            lines.append(two.argmax(-1).numpy() + 1 == z["lines"][i : i + 512])
    right, chars, widths = np.concatenate(right), np.concatenate(chars), np.concatenate(widths)
    small, large = right[widths < 36].mean(), right[widths > 60].mean()
    return f"exact {right.mean():.4f} (under 36 px {small:.4f}, over 60 px {large:.4f}) char {chars.mean():.4f} lines {np.concatenate(lines).mean():.4f}"


def export(net: Reader, out: Path) -> None:
    net = copy.deepcopy(net).eval()
    part = out.with_suffix(".part")
    torch.onnx.export(
        net, (torch.zeros(1, 1, 48, 96),), str(part), opset_version=17, input_names=["plates"], output_names=["logits", "lines"],
        dynamic_axes={"plates": {0: "n"}, "logits": {0: "n"}, "lines": {0: "n"}},
    )
    os.replace(part, out)


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("pool", type=Path), p.add_argument("validation", type=Path), p.add_argument("out", type=Path)
    p.add_argument("--minutes", type=float, default=60), p.add_argument("--init", type=Path), p.add_argument("--peer", type=Path)
    p.add_argument("--rate", type=float, default=2.5e-3), p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1), p.add_argument("--keep", type=int, default=250)
    a = p.parse_args()
    torch.manual_seed(a.seed), random.seed(a.seed), torch.set_num_threads(a.threads)
    rng = np.random.default_rng(a.seed)
    net = Reader().to(memory_format=torch.channels_last)
    print("weights", sum(v.numel() for v in net.parameters()), flush=True)
    if a.init:
        net.load_state_dict(torch.load(a.init, weights_only=True))
    mean = copy.deepcopy(net)
    decay = [v for v in net.parameters() if v.ndim > 1]
    plain = [v for v in net.parameters() if v.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], a.rate)
    pool = Pool(a.pool, a.keep)
    begin, step, losses, hits, saved, met = time.time(), 0, [], [], time.time(), 0.0
    while True:
        done = (time.time() - begin) / (a.minutes * 60)
        if done >= 1:
            break
        if step % 100 == 0:
            pool.refresh()
        for g in optimiser.param_groups:
            g["lr"] = a.rate * min(1, (step + 1) / 200) * (0.5 * (1 + math.cos(math.pi * done)) + 0.004)
        x, y, lines = pool.batch(rng)
        x = vary(x.unsqueeze(1).float() / 255).contiguous(memory_format=torch.channels_last)
        net.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, two = net(x)
        loss = F.cross_entropy(logits.float().flatten(0, 1), y.long().flatten(), label_smoothing=0.02)
        loss = loss + 0.1 * F.cross_entropy(two.float(), lines.long() - 1)
        optimiser.zero_grad(), loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        step += 1
        with torch.no_grad():
            keep = min(0.999, (1 + step) / (20 + step))
            for m, v in zip(mean.state_dict().values(), net.state_dict().values()):
                m.lerp_(v, 1 - keep) if m.dtype.is_floating_point else m.copy_(v)
        losses.append(loss.item()), hits.append((logits.argmax(-1) == y).all(1).float().mean().item())
        if a.peer and step % 40 == 0:
            met = meet(net, a, met)
        if step % 100 == 0:
            print(f"{time.time() - begin:.0f} s step {step} shards {len(pool.shards)} loss {np.mean(losses[-100:]):.3f} exact {np.mean(hits[-100:]):.3f}", flush=True)
        if time.time() - saved > 300:
            saved = time.time()
            checkpoint(mean, net, a)
    checkpoint(mean, net, a)


def meet(net: Reader, a, last: float) -> float:
    """Leaves the weights for the peer and moves to the mean with its newest; gives the age of those."""
    part = a.out.with_suffix(".raw.part")
    torch.save(net.state_dict(), part)
    os.replace(part, a.out.with_suffix(".raw.pt"))
    if not a.peer.exists() or a.peer.stat().st_mtime <= last:
        return last
    last = a.peer.stat().st_mtime
    theirs = torch.load(a.peer, weights_only=True)
    with torch.no_grad():
        for name, v in net.state_dict().items():
            if v.dtype.is_floating_point:
                v.lerp_(theirs[name], 0.5)
    return last


def checkpoint(mean, net, a) -> None:
    torch.save(mean.state_dict(), a.out.with_suffix(".pt"))
    export(mean, a.out.with_suffix(".onnx"))
    print("validation:", judge(mean, a.validation), flush=True)


if __name__ == "__main__":
    main()
