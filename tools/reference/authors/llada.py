"""Answers filled in step by step, likelihoods, and training's noise and loss by LLaDA's own code.

    python tools/reference/authors/llada.py FOLDER COMMIT     (ML-GSAI/LLaDA)

`generate` and `get_log_likelihood` run over a model of ten tokens whose logits follow from each place and its neighbours. Their draws come from
lists, so that ours can be the same. Training's code stands in its guidelines as text, which is read from there and run.
"""

import re
from types import SimpleNamespace

import torch
from common import arguments, load, numbers, write

FOLDER, COMMIT = arguments()
generate = load(FOLDER / "generate.py", "generate")
likelihood = load(FOLDER / "get_log_likelihood.py", "likelihood")

MASK, WORDS = 9, 8
PLACES, LEFT, RIGHT = 3 * numbers(1, 32, WORDS), 2 * numbers(2, 10, WORDS), 2 * numbers(3, 10, WORDS)


class Model:
    """Logits of each place: its own, and its neighbours' parts. The last two tokens, an end and the mask, are never likely."""

    device = "cpu"

    def __init__(self):
        self.seen = []

    def __call__(self, ids, attention_mask=None):
        self.seen.append(ids[0].tolist())
        logits = torch.full((*ids.shape, 10), -1e9)
        edge = torch.full((ids.shape[0], 1), MASK)
        left, right = torch.cat([edge, ids[:, :-1]], 1), torch.cat([ids[:, 1:], edge], 1)
        logits[:, :, :WORDS] = PLACES[: ids.shape[1]] + LEFT[left] + RIGHT[right]
        return SimpleNamespace(logits=logits)


def answer(length: int, block: int, steps: int, guidance: float = 0.0) -> dict:
    """The sequence after every step."""
    prompt = torch.tensor([[7, 7]])
    model = Model()
    out = generate.generate(
        model,
        prompt,
        torch.ones_like(prompt),
        steps=steps,
        gen_length=length,
        block_length=block,
        cfg_scale=guidance,
        mask_id=MASK,
    )
    after = [ids[2:] for ids in model.seen[1:]] + [out[0, 2:].tolist()]
    return {"length": length, "block": block, "steps": steps, "guidance": guidance, "answers": after}


def counts(masked: int, steps: int) -> dict:
    mask = torch.arange(20)[None] < masked
    return {"masked": masked, "steps": steps, "counts": generate.get_num_transfer_tokens(mask, steps)[0].tolist()}


def likelihood_of(answer: list[int], masked: list[int]) -> dict:
    """With as many tokens masked in turn as `masked` says, the first ones."""
    draws = iter(masked)
    randint, randperm = torch.randint, torch.randperm
    torch.randint = lambda low, high, size, device: torch.tensor(next(draws))
    torch.randperm = lambda n: torch.arange(n)
    value = likelihood.get_log_likelihood(Model(), torch.tensor([7, 7]), torch.tensor(answer), len(masked), 1, mask_id=MASK)
    torch.randint, torch.randperm = randint, randperm
    return {"answer": answer, "masked": masked, "logLikelihood": value}


def training(tokens: int, prompt: int) -> dict:
    """A text's noise and loss; the first `prompt` tokens are not trained. Draws are `numbers`, halved and moved to [0, 1)."""
    pretraining, finetuning = re.findall(r"```angular2html\n(.*?)```", (FOLDER / "GUIDELINES.md").read_text(), re.S)[0::2][:2]
    ids = torch.arange(tokens)[None] % WORDS
    draws = iter(((numbers(11, 1 + tokens) + 1) / 2).tolist())
    scope = {"torch": torch, "F": torch.nn.functional, "input_ids": ids}
    rand = torch.rand
    torch.rand = lambda *size, device=None: torch.tensor([next(draws) for _ in range(torch.Size(size[0] if isinstance(size[0], tuple) else size).numel())]).reshape(size[0] if isinstance(size[0], tuple) else size)
    exec(pretraining[: pretraining.index("# The data")].replace("126336", str(MASK)), scope)  # noqa: S102
    noisy, masked, share = scope["forward_process"](ids)
    torch.rand = rand
    noisy[:, :prompt] = ids[:, :prompt]
    masked = noisy == MASK
    scope |= {
        "masked_indices": masked,
        "p_mask": share,
        "logits": Model()(noisy).logits,
        "answer_lengths": torch.full_like(ids, tokens - prompt),
    }
    loss = finetuning if prompt else pretraining
    exec(loss[loss.index("token_loss =") :], scope)  # noqa: S102
    return {"tokens": tokens, "prompt": prompt, "noisy": noisy[0], "share": share[0, 0], "loss": scope["ce_loss" if prompt else "loss"]}


write(
    "src/engine/diffusion/fixtures/authors.json",
    "ML-GSAI/LLaDA",
    COMMIT,
    answers=[answer(12, 12, 12), answer(12, 4, 6), answer(16, 8, 6), answer(12, 12, 5), answer(8, 4, 4, 1.5)],
    counts=[counts(17, 4), counts(3, 7), counts(20, 6)],
    likelihoods=[likelihood_of([1, 4, 2, 0, 6], [3, 5, 1, 2]), likelihood_of([3], [1])],
)
write("src/train/methods/masked-diffusion/fixtures/authors.json", "ML-GSAI/LLaDA", COMMIT, texts=[training(20, 0), training(24, 5)])
