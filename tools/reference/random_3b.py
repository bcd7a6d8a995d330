"""Write a GGUF of random weights with the sizes of Qwen2.5-3B in Q4_K_M, for timings: no text of it means anything.

    python tools/reference/random_3b.py qwen2.5-coder-1.5b-instruct-q4_k_m.gguf random-3b.gguf

The tokenizer and the types of the tensors come from the 1.5B file. Each tensor repeats random rows of blocks of that
file's, so that scales are as large as real ones.
"""

import argparse
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import GGML_QUANT_SIZES

SIZES = {
    "block_count": 36, "embedding_length": 2048, "feed_forward_length": 11008, "attention.head_count": 16, "attention.head_count_kv": 2,
}  # fmt: skip
HEAD = 128
# The 1.5B model's widths, and the 3B's that replace them.
WIDTHS = {1536: SIZES["embedding_length"], 8960: SIZES["feed_forward_length"]}


def copied_fields(source: GGUFReader, writer: GGUFWriter) -> None:
    for name, field in source.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.size_label"):
            continue
        size = SIZES.get(name.removeprefix("qwen2."))
        kind = field.types[0]
        if size is not None:
            writer.add_uint32(name, size)
        elif kind == GGUFValueType.ARRAY:
            writer.add_array(name, field.contents())
        else:
            writer.add_key_value(name, field.contents(), kind)


def random_data(tensor, rng: np.random.Generator) -> np.ndarray:
    """The bytes of a tensor of the 3B's shape: [rows, bytes of a row], or float32."""
    shape = [WIDTHS.get(int(n), int(n)) for n in reversed(tensor.shape)]
    if tensor.tensor_type == GGMLQuantizationType.F32:
        return np.resize(tensor.data, shape).astype(np.float32)
    block, size = GGML_QUANT_SIZES[tensor.tensor_type]
    blocks = tensor.data.reshape(-1, size)
    columns = shape[1] // block
    return blocks[rng.integers(0, len(blocks), shape[0] * columns)].reshape(shape[0], columns * size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the GGUF file of Qwen2.5-Coder 1.5B in Q4_K_M")
    parser.add_argument("out", type=Path, help="the file to write, 2.1 GB")
    args = parser.parse_args()
    source = GGUFReader(args.source)
    tensors = {tensor.name: tensor for tensor in source.tensors}
    rng = np.random.default_rng(1)
    writer = GGUFWriter(args.out, "qwen2", use_temp_file=True)
    copied_fields(source, writer)
    layers = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("blk."))
    names = [name for name in tensors if not name.startswith("blk.")]
    parts = [name.split(".", 2)[2] for name in tensors if name.startswith("blk.0.")]
    names += [f"blk.{layer}.{part}" for layer in range(SIZES["block_count"]) for part in parts]
    for name in names:
        place = name.split(".", 2)
        # Layers beyond the source's have the types of its own, from the first on.
        origin = tensors[f"blk.{int(place[1]) % layers}.{place[2]}" if place[0] == "blk" else name]
        kind = origin.tensor_type
        writer.add_tensor(name, random_data(origin, rng), raw_dtype=None if kind == GGMLQuantizationType.F32 else kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file(progress=True)
    writer.close()


if __name__ == "__main__":
    main()
