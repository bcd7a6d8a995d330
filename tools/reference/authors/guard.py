"""The publisher's and the user's steps of learning a freeze mask by FreezeAsGuard's own code.

    python tools/reference/authors/guard.py FOLDER COMMIT     (pittisl/FreezeAsGuard)

The steps stand in the loop of `src/mask_learner.py`, which trains Stable Diffusion: they are read from the file between their first and last lines
and run over a model of eight numbers in three tensors, whose loss is a squared error a sample.
"""

import copy
import textwrap
from types import SimpleNamespace

import torch
from common import arguments, numbers, write

FOLDER, COMMIT = arguments()
SOURCE = (FOLDER / "src/mask_learner.py").read_text().splitlines(keepends=True)


def between(first: str, last: str):
    """The code from a line that begins with `first` to the next that begins with `last`."""
    start = next(i for i, line in enumerate(SOURCE) if line.strip().startswith(first))
    end = next(i for i, line in enumerate(SOURCE) if i >= start and line.strip().startswith(last))
    return compile(textwrap.dedent("".join(SOURCE[start : end + 1])), "mask_learner", "exec")


BEGIN = between("for i, (param_diff, param_ft)", "param_ft.data =")
PUBLISH = between('ffi_target = batch["ffi"]', "param.data += param_diff.data * d_mask")
IMITATE = between("# user's loop", "param_diff.data -=")

SIZES = (3, 1, 4)
at, wanted = numbers(21, 4, 8), torch.arange(4) / 3


def run(mask_lr: float, steps: int) -> dict:
    args = SimpleNamespace(temperature=0.2, freeze_ratio=0.3, c_sparsity=3.0, mask_lr=mask_lr, user_lr=0.05, train_batch_size=4, gradient_accumulation_steps=1)
    published, tuned = numbers(22, 8).split(SIZES), numbers(23, 8).split(SIZES)
    model = [torch.nn.Parameter(one.clone()) for one in tuned]
    diff = [torch.nn.Parameter(one.clone()) for one in published]
    scope = {
        "torch": torch,
        "copy": copy,
        "args": args,
        "T": args.temperature,
        "x_for_mask": torch.nn.Parameter(0.3 * numbers(24, 3)),
        "unet": SimpleNamespace(parameters=lambda: model),
        "unet_diff": SimpleNamespace(parameters=lambda: diff),
        "batch": {"ffi": torch.tensor([1.0, 1.0, 0.0, 0.0])},
        "weight_dtype": torch.float32,
        "accelerator": SimpleNamespace(gather=lambda x: x, backward=lambda x: x.backward()),
        "train_loss": 0.0,
    }
    exec(BEGIN, scope)  # noqa: S102
    states = []
    for step in range(steps):
        for one in model:
            one.grad = None
        loss = (at @ torch.cat(model) - wanted).square()
        if step % 3 == 0:
            exec(PUBLISH, scope | {"loss": loss})  # noqa: S102
        else:
            loss.mean().backward()
            exec(IMITATE, scope)  # noqa: S102
        states.append({"logits": scope["x_for_mask"].detach().clone(), "theta": torch.cat(model).detach(), "delta": torch.cat(diff).detach()})
    return {"maskLr": mask_lr, "states": states}


write("src/train/methods/guard/fixtures/authors.json", "pittisl/FreezeAsGuard", COMMIT, **run(0.1, 12), bold=run(2.0, 1))
