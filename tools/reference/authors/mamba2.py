"""A chunked scan and its gradients by the code of Mamba-2.

    PYTHONPATH=EINOPS python tools/reference/authors/mamba2.py FOLDER COMMIT     (state-spaces/mamba; needs einops)

`ssd_minimal_discrete`, the plain PyTorch form of its kernels, which need a GPU and are stand-ins.
"""

import torch
from common import arguments, load, numbers, stand_in, write

FOLDER, COMMIT = arguments()
stand_in("mamba_ssm.ops", "mamba_ssm")
code = load(FOLDER / "mamba_ssm/modules/ssd_minimal.py", "ssd_minimal")

TOKENS, HEADS, SIZE, N = 12, 2, 3, 4
v = numbers(71, 1, TOKENS, HEADS, SIZE).requires_grad_()
decay = (numbers(72, 1, TOKENS, HEADS) - 1).requires_grad_()
b = numbers(73, 1, TOKENS, HEADS, N).requires_grad_()
c = numbers(74, 1, TOKENS, HEADS, N).requires_grad_()
y, _ = code.ssd_minimal_discrete(v, decay, b, c, 4)
(y * numbers(75, *y.shape)).sum().backward()

write(
    "src/nn/fixtures/ssd-authors.json",
    "state-spaces/mamba",
    COMMIT,
    tokens=TOKENS,
    heads=HEADS,
    size=SIZE,
    n=N,
    y=y.detach().flatten(),
    gradients={name: x.grad.flatten() for name, x in (("v", v), ("decay", decay), ("b", b), ("c", c))},
)
