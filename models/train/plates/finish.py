"""Makes the reader's file: `python -m plates.finish OUT.onnx VALIDATION.npz WEIGHTS.pt [WEIGHTS.pt]`.

The mean of the weights of trainers that were each other's peers; then its logits are scaled so that a probability means what
it says on drawn plates that were not trained on (temperature scaling, Guo et al. 2017), and large weights are packed.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .pack import pack
from .reader_net import Reader
from .reader_train import export


def mean_of(paths: list[Path]) -> dict:
    """The mean of several states."""
    states = [torch.load(p, weights_only=True) for p in paths]
    return {k: sum(s[k] for s in states) / len(states) if v.dtype.is_floating_point else v for k, v in states[0].items()}


@torch.no_grad()
def temperature(net: Reader, shard: Path) -> float:
    """The divisor of the logits with the least negative log likelihood."""
    z = np.load(shard)
    logits = torch.cat([net(torch.from_numpy(z["x"][i : i + 128, None]).float() / 255)[0] for i in range(0, len(z["x"]), 128)])
    labels = torch.from_numpy(z["y"]).long()
    print(f"exact {(logits.argmax(-1) == labels).all(1).float().mean():.4f}")
    tried = np.exp(np.linspace(np.log(0.4), np.log(1.6), 61))
    costs = [F.cross_entropy((logits / t).flatten(0, 1), labels.flatten()).item() for t in tried]
    return float(tried[int(np.argmin(costs))])


def main() -> None:
    out, shard, paths = Path(sys.argv[1]), Path(sys.argv[2]), [Path(p) for p in sys.argv[3:]]
    net = Reader()
    net.load_state_dict(mean_of(paths))
    net.eval()
    t = temperature(net, shard)
    print(f"temperature {t:.3f}")
    with torch.no_grad():
        net.out.weight /= t
        net.out.bias /= t
    large = out.with_suffix(".large.onnx")
    export(net, large)
    pack(large, out)
    large.unlink()


if __name__ == "__main__":
    main()
