"""Writes src/weights/safetensors/fixtures/: a file with every dtype that is read, by the safetensors package, and the same weights as float32.

Needs torch and safetensors. Run: python tools/reference/safetensors_types.py
"""

import base64
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

FIXTURES = Path(__file__).parents[2] / "src/weights/safetensors/fixtures"


def bits(dtype, of, count):
    """Evenly spread bit patterns, so that signs, denormals, infinities and NaNs are among them."""
    span = 2 ** (8 * torch.tensor([], dtype=of).element_size())
    steps = torch.arange(count, dtype=torch.int64) * (span - 1) // (count - 1) - span // 2
    return steps.to(of).view(dtype)


def main():
    torch.manual_seed(0)
    normal = torch.randn(6, 5, dtype=torch.float64)
    tensors = {
        "f64": normal * torch.logspace(-30, 30, 5, dtype=torch.float64),
        "f32": normal.float(),
        "f16": bits(torch.float16, torch.int16, 1024).reshape(32, 32),
        "bf16": bits(torch.bfloat16, torch.int16, 1024).reshape(32, 32),
        "f8_e4m3": bits(torch.float8_e4m3fn, torch.int8, 256).reshape(16, 16),
        "i8": torch.arange(-128, 128, dtype=torch.int8).reshape(4, 64),
        "u8": torch.arange(0, 256).to(torch.uint8).reshape(4, 64),
        "i32": torch.tensor([[-(2**31), -1, 0], [1, 2**24 + 1, 2**31 - 1]], dtype=torch.int32),
        "i64": torch.tensor([-(2**62), -1, 0, 2**53 + 1], dtype=torch.int64),
        "bool": torch.tensor([[True, False, True]]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
    }
    FIXTURES.mkdir(exist_ok=True)
    save_file(tensors, FIXTURES / "types.safetensors", metadata={"format": "pt"})
    expected = {
        name: {"shape": list(t.shape), "floats": base64.b64encode(t.to(torch.float32).numpy().tobytes()).decode()}
        for name, t in tensors.items()
    }
    (FIXTURES / "types.json").write_text(json.dumps(expected) + "\n")


main()
