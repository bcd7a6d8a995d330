"""Experts of gpt-oss in MXFP4: blocks of 32 numbers of 4 bits that share a power of two (OCP Microscaling Formats 1.0)."""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

Packed = tuple[torch.Tensor, torch.Tensor]


def random_blocks(model, seed: int) -> dict[str, Packed]:
    """Blocks and scales of each parameter of experts' matrices [experts, inputs, outputs]: [experts, outputs, inputs / 32, 16] and without the 16."""
    random = torch.Generator().manual_seed(seed)
    packed = {}
    for name, p in model.named_parameters():
        if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            continue
        experts, inputs, outputs = p.shape
        shape = (experts, outputs, inputs // 32)
        blocks = torch.randint(0, 256, (*shape, 16), generator=random, dtype=torch.uint8)
        # The published scales are around 2 ** -7; those of gates and ups are larger here, for some to be beyond the limit.
        scales = torch.randint(-3, 1, shape, generator=random) + (125 if "gate_up" in name else 121)
        packed[name] = (blocks, scales.to(torch.uint8))
    return packed


def dequantized(blocks: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """[experts, inputs, outputs], as transformers reads them."""
    return convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)


def digests(packed: dict[str, Packed]) -> dict[str, str]:
    """SHA-256 of the numbers of each tensor as float32, [experts, outputs, inputs], −0 as 0."""
    numbers = {name: dequantized(*tensors).transpose(1, 2).contiguous() + 0.0 for name, tensors in packed.items()}
    return {name: hashlib.sha256(values.numpy().astype("<f4").tobytes()).hexdigest() for name, values in numbers.items()}


def store_blocks(folder: Path, packed: dict[str, Packed]) -> None:
    """Puts them into a written checkpoint in place of the floats, as it is published."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    for name, (blocks, scales) in packed.items():
        del tensors[name]
        tensors |= {f"{name}_blocks": blocks, f"{name}_scales": scales}
    save_file(tensors, file, metadata={"format": "pt"})
    file.chmod(0o644)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "mxfp4",
        "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"],
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def as_ggml(blocks: torch.Tensor, scales: torch.Tensor) -> np.ndarray:
    """Blocks as ggml has them: the scale, then a byte for each number of the first half and its partner in the second."""
    codes = torch.stack([blocks & 15, blocks >> 4], dim=-1).flatten(-2)
    halves = codes[..., :16] | codes[..., 16:] << 4
    return torch.cat([scales.unsqueeze(-1), halves], dim=-1).flatten(-2).numpy()
