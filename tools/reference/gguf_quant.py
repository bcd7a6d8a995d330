"""Fixture of src/weights/gguf: random weights, and behind them in one file the gguf package's blocks of them, type after type.

Run from the repository's root: python tools/reference/gguf_quant.py   (pip install gguf==0.19.0)
"""

from pathlib import Path

import gguf
import numpy as np
from gguf.constants import GGMLQuantizationType as Type

OUT = Path(__file__).parents[2] / "src/weights/gguf/fixtures/quantized.bin"
BLOCKS = 96


def weights() -> np.ndarray:
    rng = np.random.default_rng(11)
    blocks = rng.standard_normal((BLOCKS, 32)) * 10.0 ** rng.uniform(-5, 2, (BLOCKS, 1))
    blocks[0] = 0
    blocks[1] = -0.25
    # Exact halves of a step of 8 bits, and both ends equally far away.
    blocks[2] = np.arange(32) - 15.5
    blocks[2, 0] = 127
    blocks[3] = np.linspace(-1, 1, 32)
    blocks[4] = -blocks[3]
    blocks[5, 7:] = 0
    # Scales that are denormal halves.
    blocks[6] *= 1e-6 / np.abs(blocks[6]).max()
    return blocks.astype(np.float32)


def main() -> None:
    data = weights()
    parts = [data, *(gguf.quantize(data, kind) for kind in (Type.F16, Type.Q8_0, Type.Q4_0, Type.Q4_1))]
    OUT.write_bytes(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))


if __name__ == "__main__":
    main()
