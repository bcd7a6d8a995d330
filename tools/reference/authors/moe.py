"""A mixture of experts' outputs, auxiliary loss and gradients by JetMoE's own code.

    python tools/reference/authors/moe.py FOLDER COMMIT     (myshell-ai/JetMoE)
"""

import torch
from common import arguments, numbers, sys, write

FOLDER, COMMIT = arguments()
sys.path.insert(0, str(FOLDER / "jetmoe"))
from utils.moe import MoE  # noqa: E402

TOKENS, HIDDEN, WIDTH, EXPERTS = 12, 6, 5, 4


def run(active: int) -> dict:
    moe = MoE(HIDDEN, WIDTH, EXPERTS, active, bias=False, activation=torch.nn.functional.silu, glu=True).train()
    moe.router.layer.weight.data = 2 * numbers(31, EXPERTS, HIDDEN)
    moe.input_linear.weight.data = numbers(32, EXPERTS, 2 * WIDTH, HIDDEN)
    moe.output_linear.weight.data = numbers(33, EXPERTS, HIDDEN, WIDTH)
    x = numbers(34, 1, TOKENS, HIDDEN).requires_grad_()
    y, loss = moe(x)
    whole = (y * numbers(35, 1, TOKENS, HIDDEN)).sum() + loss
    whole.backward()
    return {"active": active, "y": y.flatten(), "loss": loss.item(), "dx": x.grad.flatten(), "drouter": moe.router.layer.weight.grad.flatten()}


write("src/nn/moe/fixtures/authors.json", "myshell-ai/JetMoE", COMMIT, tokens=TOKENS, hidden=HIDDEN, width=WIDTH, experts=EXPERTS, cases=[run(1), run(2), run(4)])
