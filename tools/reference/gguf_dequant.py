"""Fixtures of src/weights/gguf: what the gguf package makes of random blocks, and of a small file that it wrote itself.

Run from the repository's root: python tools/reference/gguf_dequant.py [SMOLLM2.gguf]   (pip install gguf==0.19.0)
With SmolLM2-135M-Instruct's Q4_1 file, also the SHA-256 of each of its tensors in float32 and of its vocabulary.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type

OUT = Path(__file__).parents[2] / "src/weights/gguf/fixtures"
RNG = np.random.default_rng(7)
BLOCKS = 128
# Halves that are easy to get wrong: zeros, denormals (smallest, largest), smallest normal, largest, infinities, NaN.
HALVES = np.array([0, 0x8000, 1, 0x8001, 0x3FF, 0x83FF, 0x400, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00], np.uint16)


def base64_of(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def random_blocks(kind: Type, fields: int) -> np.ndarray:
    """Random bytes, the first `fields` halves of the first blocks replaced by every pair of the special ones."""
    size = GGML_QUANT_SIZES[kind][1]
    blocks = RNG.integers(0, 256, (BLOCKS + len(HALVES) ** fields, size), np.uint8)
    special = np.stack(np.meshgrid(*[HALVES] * fields), -1).reshape(-1, fields)
    blocks[: len(special), : 2 * fields] = np.ascontiguousarray(special).view(np.uint8)
    return blocks


def inputs() -> dict[Type, np.ndarray]:
    halves = np.concatenate([HALVES, RNG.integers(0, 65536, 4096, np.uint16)])
    return {
        Type.F32: RNG.integers(0, 256, (1, 4 * 1024), np.uint8),
        Type.F16: halves[None].view(np.uint8),
        Type.Q4_1: random_blocks(Type.Q4_1, 2),
        Type.Q8_0: random_blocks(Type.Q8_0, 1),
    }


def write_dequantised() -> None:
    for kind, data in inputs().items():
        with np.errstate(all="ignore"):
            floats = gguf.quants.dequantize(data, kind)
        case = {"type": kind.name, "count": floats.size, "bytes": base64_of(data), "floats": base64_of(floats)}
        (OUT / f"{kind.name.lower()}.json").write_text(json.dumps(case) + "\n")


def write_types() -> None:
    types = {kind.name: {"id": kind.value, "block": size[0], "bytes": size[1]} for kind, size in GGML_QUANT_SIZES.items()}
    (OUT / "types.json").write_text(json.dumps(types) + "\n")


def write_file() -> None:
    """Every metadata type but nested arrays (the package cannot write them), and a tensor of each supported type."""
    writer = gguf.GGUFWriter(OUT / "written.gguf", "llama")
    writer.add_custom_alignment(64)
    writer.add_uint8("t.uint8", 200)
    writer.add_int8("t.int8", -100)
    writer.add_uint16("t.uint16", 60000)
    writer.add_int16("t.int16", -30000)
    writer.add_uint32("t.uint32", 4000000000)
    writer.add_int32("t.int32", -2000000000)
    writer.add_uint64("t.uint64", 2**64 - 1)
    writer.add_int64("t.int64", -(2**40))
    writer.add_float32("t.float32", 0.1)
    writer.add_float64("t.float64", 0.1)
    writer.add_bool("t.true", True)
    writer.add_bool("t.false", False)
    writer.add_string("t.string", "naïve 漢字 🦙")
    writer.add_array("t.strings", ["", "Ġthe", "🦙", "a\nb"])
    writer.add_array("t.int32s", [1, -2, 3])
    writer.add_array("t.float32s", [0.5, -0.25])
    writer.add_array("t.bools", [True, False, True])
    tensors = {}
    for kind, shape in {Type.F32: (5,), Type.F16: (2, 3), Type.Q4_1: (3, 64), Type.Q8_0: (2, 1, 32)}.items():
        weights = RNG.standard_normal(shape).astype(np.float32)
        data = gguf.quants.quantize(weights, kind)
        name = f"blk.0.{kind.name.lower()}.weight"
        writer.add_tensor(name, data, raw_dtype=None if kind in (Type.F32, Type.F16) else kind)
        floats = gguf.quants.dequantize(data, kind)
        tensors[name] = {"type": kind.name, "shape": list(shape), "floats": base64_of(floats)}
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    reader = gguf.GGUFReader(OUT / "written.gguf")
    for tensor in reader.tensors:
        tensors[tensor.name] |= {"offset": int(tensor.data_offset), "bytes": int(tensor.n_bytes)}
    (OUT / "written.json").write_text(json.dumps({"dataOffset": int(reader.data_offset), "tensors": tensors}, indent=1) + "\n")


def write_smollm2(path: str) -> None:
    reader = gguf.GGUFReader(path)
    tensors = {t.name: sha256(gguf.quants.dequantize(t.data, t.tensor_type).tobytes()) for t in reader.tensors}
    tokens, merges = (reader.fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "merges"))
    strings = {"tokens": sha256("\n".join(tokens).encode()), "merges": sha256("\n".join(merges).encode())}
    (OUT / "smollm2.json").write_text(json.dumps({"tensors": tensors} | strings, indent=1) + "\n")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


OUT.mkdir(exist_ok=True)
write_dequantised()
write_types()
write_file()
if len(sys.argv) > 1:
    write_smollm2(sys.argv[1])
