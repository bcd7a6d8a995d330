"""A Mamba-2 mixer by transformers in float64, with its gradients by autograd: src/nn/fixtures/mamba2.json.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -r tools/reference/train.txt
    /tmp/venv/bin/python tools/reference/mamba2.py src/nn/fixtures/mamba2.json

Groups have their own norms, and serve heads in a row, as in the mixer here. The output projection is
also tried as a classifier's, with other outputs than inputs.
"""

import json
import sys

import torch
from transformers import Mamba2Config
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

# The mixer casts its scan to float32 by these two.
torch.Tensor.float = lambda self, *_, **__: self.double()
torch.float32 = torch.float64

HIDDEN, TOKENS, BATCH = 12, 7, 2


def mixer(groups: int, outputs: int) -> Mamba2Mixer:
    config = Mamba2Config(
        hidden_size=HIDDEN, expand=1, head_dim=3, num_heads=4, state_size=5, n_groups=groups, conv_kernel=4,
        chunk_size=4, use_bias=False, use_conv_bias=True, layer_norm_epsilon=1e-5, rms_norm=True,
        time_step_limit=(0.0, float("inf")),
    )
    made = Mamba2Mixer(config, layer_idx=0).double()
    if outputs != HIDDEN:
        made.out_proj = torch.nn.Linear(HIDDEN, outputs, bias=False).double()
    return made


def short(t: torch.Tensor) -> torch.Tensor:
    """Few digits, so that the file has exactly the numbers that ran."""
    return torch.round(t, decimals=3)


def case(groups: int, outputs: int, seed: int) -> dict:
    torch.manual_seed(seed)
    made = mixer(groups, outputs)
    with torch.no_grad():
        for name, p in made.named_parameters():
            p.copy_(short(0.5 * torch.randn_like(p) + (1.0 if name in ("D", "norm.weight", "A_log") else 0.0)))
    x = short(torch.randn(BATCH, TOKENS, HIDDEN, dtype=torch.float64)).requires_grad_()
    given = short(torch.randn(BATCH, TOKENS, outputs, dtype=torch.float64))
    y = made.eval()(x)
    (y * given).sum().backward()
    flat = lambda t: [float(f"{v:.8g}") for v in t.detach().double().flatten().tolist()]
    return {
        "groups": groups,
        "outputs": outputs,
        "weights": {name: flat(p) for name, p in made.named_parameters()},
        "x": flat(x),
        "given": flat(given),
        "y": flat(y),
        "gradients": {name: flat(p.grad) for name, p in made.named_parameters()} | {"x": flat(x.grad)},
    }


def main() -> None:
    sizes = {"hidden": HIDDEN, "inner": HIDDEN, "headSize": 3, "stateSize": 5, "convWidth": 4}
    shape = {"batch": BATCH, "tokens": TOKENS}
    cases = [case(1, HIDDEN, 0), case(2, HIDDEN, 1), case(1, 2, 2)]
    with open(sys.argv[1], "w") as file:
        json.dump({"sizes": sizes, **shape, "cases": cases}, file)
        file.write("\n")


main()
