"""Write 50 losses of a tiny GPT-2 that PyTorch trains on the beginning of tiny Shakespeare, and the model that it begins with.

    python tools/reference/training.py tinyshakespeare.txt src/train/fixtures/shakespeare

Characters are numbered in the order of code points. A batch is the next 4 windows of 32 characters, in order. AdamW with decay of matrices and tables
alone, the gradient clipped to 1, the rate warmed up over 5 steps and then falling by a cosine to a tenth.
"""

import argparse
import json
import math
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

STEPS, ROWS, TOKENS, CHARACTERS = 50, 4, 32, 12_000
LR, WARMUP, MINIMUM, DECAY, CLIP = 3e-3, 5, 0.1, 0.1, 1.0


def rate(step: int) -> float:
    if step < WARMUP:
        return LR * (step + 1) / (WARMUP + 1)
    falling = (step - WARMUP) / (STEPS - WARMUP)
    return LR * (MINIMUM + (1 - MINIMUM) * (1 + math.cos(math.pi * falling)) / 2)


def windows(ids: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    count = (len(ids) - 1) // TOKENS
    firsts = [TOKENS * ((step * ROWS + row) % count) for row in range(ROWS)]
    cut = lambda shift: torch.stack([ids[at + shift : at + shift + TOKENS] for at in firsts])
    return cut(0), cut(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    text = args.text.read_text()[:CHARACTERS]
    characters = sorted(set(text))
    ids = torch.tensor([characters.index(c) for c in text])
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(characters), n_embd=32, n_layer=2, n_head=2, n_positions=TOKENS,
        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).train()
    args.out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(args.out)
    (args.out / "generation_config.json").unlink(missing_ok=True)
    (args.out / "text.txt").write_text(text)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8)
    losses, norms = [], []
    for step in range(STEPS):
        x, y = windows(ids, step)
        loss = torch.nn.functional.cross_entropy(model(x).logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)))
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.step()
        losses.append(loss.item())
    (args.out / "losses.json").write_text(json.dumps({"losses": losses, "norms": norms}) + "\n")


main()
