"""PyTorch's side of the bench `train-shakespeare` (see train_peer.py): nanoGPT's loop until the held-out loss is low enough.

    python tools/reference/train_shakespeare.py FOLDER --heads 4

FOLDER holds the model to begin with, and `batches.json`: `rows`, `tokens`, the numbers of `training` and `heldOut` batches, in `batches.i32` one
after the other, each its ids, then its labels. After every `evaluateEvery` steps the loss is the mean over the held-out batches. The rate warms up
over 100 steps, then falls by a cosine to a tenth. Answers `{"command": "until", "loss"}` by `{"steps", "loss"}`.
"""

import json
import math
import sys
from pathlib import Path

import gpt
import numpy as np
import torch
from train_peer import adamw, autocast, parser, ready, say, stepper

LR, WARMUP, MINIMUM = 1e-3, 100, 0.1

arguments = parser(__doc__)
arguments.add_argument("folder", type=Path)
arguments.add_argument("--heads", type=int, required=True)
args = arguments.parse_args()
told = json.loads((args.folder / "batches.json").read_text())
stored = np.fromfile(args.folder / "batches.i32", "<i4").astype(np.int64)
batches = torch.from_numpy(stored).view(-1, 2, told["rows"], told["tokens"])
training, held_out = batches.split([told["training"], told["heldOut"]])
model = gpt.load(args.folder, args.heads).train()
optimizer = adamw(model, LR, beta2=0.99)
step = stepper(model, optimizer, model.loss, args.precision)


def rate(at: int) -> float:
    if at < WARMUP:
        return LR * (at + 1) / (WARMUP + 1)
    falling = (at - WARMUP) / (len(training) - WARMUP)
    return LR * (MINIMUM + (1 - MINIMUM) * (1 + math.cos(math.pi * falling)) / 2)


@torch.no_grad()
def evaluate() -> float:
    with autocast(args.precision):
        return float(np.mean([model.loss(ids, labels).item() for ids, labels in held_out]))


def until(wanted: float) -> dict:
    for at, (ids, labels) in enumerate(training):
        for group in optimizer.param_groups:
            group["lr"] = rate(at)
        step(ids, labels)
        if (at + 1) % told["evaluateEvery"] == 0:
            loss = evaluate()
            print(f"step {at + 1}: {loss:.4f} held out", file=sys.stderr)
            if loss <= wanted:
                break
    return {"steps": at + 1, "loss": loss}


ready()
for line in sys.stdin:
    say(until(json.loads(line)["loss"]))
