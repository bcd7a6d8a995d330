"""Write the fixture of bilinear resizing: PyTorch's `interpolate`, and its gradient, in float64.

    python tools/reference/resize.py src/nn/fixtures

Writes `resize.json`: a case for each pair of sizes, with an image [batch, channels, height, width] `x`, the result `y`, a gradient `dy` by it and
`dx`, the gradient by `x`, all flat.
"""

import argparse
import json
from pathlib import Path

import torch

BATCH, CHANNELS = 2, 2
SIZES = [((5, 4), (7, 9)), ((6, 7), (3, 2)), ((3, 3), (7, 7)), ((4, 1), (1, 3)), ((1, 1), (2, 3)), ((4, 6), (4, 6)), ((8, 8), (5, 12))]


def flat(x: torch.Tensor) -> list:
    return [round(v, 12) for v in x.flatten().tolist()]


def main(folder: Path) -> None:
    torch.manual_seed(5)
    cases = []
    for source, target in SIZES:
        x = torch.randn(BATCH, CHANNELS, *source, dtype=torch.float64).round(decimals=3).requires_grad_()
        y = torch.nn.functional.interpolate(x, size=target, mode="bilinear", align_corners=False)
        dy = torch.randn_like(y).round(decimals=3)
        (dx,) = torch.autograd.grad(y, x, dy)
        cases.append({"from": source, "to": target, **{name: flat(v) for name, v in dict(x=x, y=y, dy=dy, dx=dx).items()}})
    (folder / "resize.json").write_text(json.dumps({"batch": BATCH, "channels": CHANNELS, "cases": cases}) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    main(parser.parse_args().folder)
