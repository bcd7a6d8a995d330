"""GPT-2 in plain PyTorch, as nanoGPT lays it out: fused queries, keys and values, `scaled_dot_product_attention`, a head that is the token table."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, tokens, width = x.shape
        qkv = self.c_attn(self.ln_1(x)).view(rows, tokens, 3, self.heads, width // self.heads)
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_out(attended.transpose(1, 2).reshape(rows, tokens, width))
        return x + self.c_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, vocabulary: int, positions: int, width: int, layers: int, heads: int):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        self.h = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.h:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)

    def loss(self, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(self(ids).flatten(0, 1).float(), labels.flatten(), ignore_index=-1)


def load(folder: Path, heads: int) -> Gpt:
    """The model of a Hugging Face folder, whose projections are [inputs, outputs]."""
    stored = {name.removeprefix("transformer."): t for name, t in load_file(folder / "model.safetensors").items()}
    layers = 1 + max(int(name.split(".")[1]) for name in stored if name.startswith("h."))
    model = Gpt(*stored["wte.weight"].shape[:1], *stored["wpe.weight"].shape, layers, heads)
    named = {}
    for name, tensor in stored.items():
        own = name.replace(".attn.c_proj", ".c_out").replace(".attn.", ".").replace(".mlp.", ".")
        linear = own.endswith("weight") and ".c_" in own
        named[own] = tensor.t().contiguous() if linear else tensor
    model.load_state_dict(named)
    return model
