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
BLOCKS = 24
# Halves that are easy to get wrong: zeros, denormals (smallest, largest), smallest normal, largest, infinities, NaN.
HALVES = np.array([0, 0x8000, 1, 0x8001, 0x3FF, 0x83FF, 0x400, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00], np.uint16)
# Where the halves of a block are: scale, minimum.
FIELDS = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0],
    Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
    Type.IQ4_NL: [0], Type.IQ4_XS: [0], Type.MXFP4: [],
}  # fmt: skip


def base64_of(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def pairs(fields: int) -> np.ndarray:
    """Each special half as the scale; as the minimum also, beside a negative zero, an ordinary number and an infinity."""
    if fields < 2:
        return HALVES[:, None][:, :fields]
    beside = np.array([0x8000, 0x3555, 0x7C00], np.uint16)
    grid = [np.stack(np.meshgrid(HALVES, beside), -1), np.stack(np.meshgrid(beside, HALVES), -1)]
    return np.concatenate([g.reshape(-1, 2) for g in grid])


def random_blocks(kind: Type) -> np.ndarray:
    """Random bytes: a few blocks with any halves, a few with ordinary ones, and one of each choice of special ones."""
    fields, special = FIELDS[kind], pairs(len(FIELDS[kind]))
    count = 256 if kind == Type.MXFP4 else len(special) + BLOCKS
    blocks = RNG.integers(0, 256, (count, GGML_QUANT_SIZES[kind][1]), np.uint8)
    for i, at in enumerate(fields):
        ordinary = RNG.normal(0, 0.01, BLOCKS // 2).astype(np.float16).view(np.uint16)
        halves = np.concatenate([special[:, i], ordinary])
        blocks[: len(halves), at : at + 2] = halves[:, None].view(np.uint8)
    if kind == Type.MXFP4:
        blocks[:, 0] = np.arange(256)
    return blocks


def inputs() -> dict[Type, np.ndarray]:
    doubles = np.concatenate([[0.0, -0.0, 5e-324, 1e-45, 1e-46, 3.4028235677973366e38, 1e300, -np.inf, np.nan], RNG.normal(0, 1, 499)])
    return {
        Type.F64: doubles[None].view(np.uint8),
        Type.F32: RNG.integers(0, 256, (1, 4 * 1024), np.uint8),
        Type.F16: np.concatenate([HALVES, RNG.integers(0, 65536, 4096, np.uint16)])[None].view(np.uint8),
        Type.BF16: np.arange(0, 65536, 13, np.uint16)[None].view(np.uint8),
    } | {kind: random_blocks(kind) for kind in FIELDS}


def dequantise(data: np.ndarray, kind: Type) -> np.ndarray:
    with np.errstate(all="ignore"):
        # The package leaves doubles as they are.
        return data.view(np.float64).astype(np.float32) if kind == Type.F64 else gguf.quants.dequantize(data, kind)


def write_dequantised() -> None:
    """A file a type: the blocks, then their weights as float32."""
    for kind, data in inputs().items():
        (OUT / f"{kind.name.lower()}.bin").write_bytes(data.tobytes() + dequantise(data, kind).tobytes())


def write_types() -> None:
    types = {kind.name: {"id": kind.value, "block": size[0], "bytes": size[1]} for kind, size in GGML_QUANT_SIZES.items()}
    (OUT / "types.json").write_text(json.dumps(types) + "\n")


SHAPES = (
    {Type.F32: (5,), Type.F16: (2, 3), Type.BF16: (3, 1), Type.F64: (2,), Type.Q4_1: (3, 64), Type.Q8_0: (2, 1, 32)}
    | {kind: (2, 32) for kind in [Type.Q4_0, Type.Q5_0, Type.Q5_1, Type.IQ4_NL, Type.MXFP4]}
    | {kind: (1, 256) for kind in [Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.IQ4_XS]}
)


def file_data(kind: Type, shape: tuple[int, ...]) -> np.ndarray:
    """Weights as the file has them: quantised where the package can, else blocks with ordinary halves and random codes."""
    weights = RNG.standard_normal(shape).astype(np.float32)
    if kind == Type.F64:
        return weights.astype(np.float64)
    try:
        return gguf.quants.quantize(weights, kind)
    except NotImplementedError:
        count = weights.size // GGML_QUANT_SIZES[kind][0]
        return random_blocks(kind)[-BLOCKS // 2 - count :][:count].reshape(shape[0], -1)


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
    for kind, shape in SHAPES.items():
        name = f"blk.0.{kind.name.lower()}.weight"
        data = file_data(kind, shape)
        writer.add_tensor(name, data, raw_dtype=None if data.dtype != np.uint8 else kind)
        tensors[name] = {"type": kind.name, "shape": list(shape), "floats": base64_of(dequantise(data, kind))}
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    reader = gguf.GGUFReader(OUT / "written.gguf")
    for tensor in reader.tensors:
        tensors[tensor.name] |= {"offset": int(tensor.data_offset), "bytes": int(tensor.n_bytes)}
    (OUT / "written.json").write_text(json.dumps({"dataOffset": int(reader.data_offset), "tensors": tensors}, indent=1) + "\n")


def write_split() -> None:
    """A model of five small tensors in three parts."""
    writer = gguf.GGUFWriter(OUT / "split.gguf", "llama", split_max_tensors=2)
    writer.add_string("t.string", "in the first part")
    for i in range(5):
        writer.add_tensor(f"t.{i}", np.arange(i + 1, dtype=np.float32) + i)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


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
write_split()
if len(sys.argv) > 1:
    write_smollm2(sys.argv[1])
