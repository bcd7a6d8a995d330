"""The common part of the peers of Modicum's training benches: PyTorch programs that answer commands, a line of JSON each.

A peer prints `{"ready": true}`, then answers `{"command": "steps", "batches": [{"rows", "ids", "labels"}, ...]}` by a step a batch and
`{"seconds", "losses"}`, and `{"command": "peak"}` by `{"bytes"}`, the most memory that it has held resident.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch

CLIP = 1.0


def parser(doc: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=doc)
    made.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    return made


def autocast(precision: str):
    return torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else nullcontext()


def adamw(model: torch.nn.Module, lr: float, beta2: float = 0.95) -> torch.optim.AdamW:
    """The fastest of PyTorch's forms on a processor; matrices and tables decay."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=lr, betas=(0.9, beta2), eps=1e-8, fused=True)


def tensors(batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
    ids, labels = torch.tensor(batch["ids"]).view(batch["rows"], -1), torch.tensor(batch["labels"])
    return ids, labels.view(ids.shape) if labels.numel() == ids.numel() else labels


def stepper(model: torch.nn.Module, optimizer: torch.optim.Optimizer, loss_of: Callable, precision: str) -> Callable:
    """A step: forward, backward, clipping, update."""

    def step(ids: torch.Tensor, labels: torch.Tensor) -> float:
        with autocast(precision):
            loss = loss_of(ids, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], CLIP)
        optimizer.step()
        return loss.item()

    return step


def peak() -> int:
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


def say(answer: dict) -> None:
    print(json.dumps(answer), flush=True)


def ready() -> None:
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    say({"ready": True})


def serve(step: Callable[[torch.Tensor, torch.Tensor], float]) -> None:
    ready()
    for line in sys.stdin:
        request = json.loads(line)
        if request["command"] == "peak":
            say({"bytes": peak()})
        else:
            started = time.perf_counter()
            losses = [step(*tensors(batch)) for batch in request["batches"]]
            say({"seconds": time.perf_counter() - started, "losses": losses})
