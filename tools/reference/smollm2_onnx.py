"""Write SmolLM2 in float32 and, rounded to 4 bits, as ONNX in the layout that transformers.js reads: both sides' models of the benches
`transformers-js` and `transformers-js-prefill`.

    python tools/reference/smollm2_onnx.py GGUF OUT

GGUF is the model's file (`modicum show smollm2` tells where), OUT a folder to write: the dequantised weights as Hugging Face has them, and
`onnx/model_q4.onnx`. The graph has the fused operators and inputs of the ONNX models that are published for transformers.js, which only asks for
the last token's logits (`num_logits_to_keep`). Its matrices, the head's too, are in symmetric blocks of 32 with accuracy level 4.
The generator checks that before rounding the graph gives the logits of transformers within 1e-3, with a cache and without.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from transformers import AutoModelForCausalLM, AutoTokenizer

FLOAT, INT64, INT32 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32
NORM = "SkipSimplifiedLayerNormalization"


class Builder:
    """Nodes and initializers; a node's name is its output's."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, op: str, inputs: list[str], outputs: str | list[str], domain: str = "", **attributes) -> str:
        outputs = [outputs] if isinstance(outputs, str) else outputs
        self.nodes.append(helper.make_node(op, inputs, outputs, name=outputs[0], domain=domain, **attributes))
        return outputs[0]

    def fused(self, op: str, inputs: list[str], outputs: str | list[str], **attributes) -> str:
        return self.add(op, inputs, outputs, "com.microsoft", **attributes)

    def linear(self, x: str, name: str, *weights: torch.Tensor) -> str:
        return self.add("MatMul", [x, self.constant(f"{name}.weight", torch.cat(weights).T.numpy())], name)


def lengths(b: Builder) -> None:
    """What attention wants to know: each row's tokens less one, and the longest row's."""
    b.add("ReduceSum", ["attention_mask", b.constant("axis", np.array([1]))], "tokens", keepdims=0)
    b.add("Sub", ["tokens", b.constant("one", np.array(1))], "last")
    b.add("Cast", ["last"], "seqlens_k", to=INT32)
    b.add("Shape", ["attention_mask"], "mask_shape")
    b.add("Gather", ["mask_shape", b.constant("second", np.array(1))], "total64")
    b.add("Cast", ["total64"], "total", to=INT32)


def rotary(b: Builder, config) -> None:
    half = np.arange(0, config.head_dim, 2) / config.head_dim
    angles = np.outer(np.arange(config.max_position_embeddings), config.rope_parameters["rope_theta"] ** -half)
    b.constant("cos", np.cos(angles).astype(np.float32))
    b.constant("sin", np.sin(angles).astype(np.float32))


def layer(b: Builder, i: int, block, config, x: str, skip: str) -> tuple[str, str]:
    """`x` is normalised; both are [batch, tokens, hidden]. Returns the same of the next layer, its `x` before the norm."""
    attention, mlp = block.self_attn, block.mlp
    qkv = b.linear(x, f"qkv.{i}", attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight)
    past = [f"past_key_values.{i}.key", f"past_key_values.{i}.value"]
    b.fused(
        "GroupQueryAttention",
        [qkv, "", "", *past, "seqlens_k", "total", "cos", "sin"],
        [f"attended.{i}", f"present.{i}.key", f"present.{i}.value"],
        num_heads=config.num_attention_heads,
        kv_num_heads=config.num_key_value_heads,
        do_rotary=1,
        rotary_interleaved=0,
    )
    out = b.linear(f"attended.{i}", f"o.{i}", attention.o_proj.weight)
    x, skip = norm(b, f"ffn_norm.{i}", out, skip, block.post_attention_layernorm.weight, config)
    gate = b.linear(x, f"gate.{i}", mlp.gate_proj.weight)
    up = b.linear(x, f"up.{i}", mlp.up_proj.weight)
    b.add("Sigmoid", [gate], f"sigmoid.{i}")
    b.add("Mul", [gate, f"sigmoid.{i}"], f"silu.{i}")
    b.add("Mul", [f"silu.{i}", up], f"gated.{i}")
    return b.linear(f"gated.{i}", f"down.{i}", mlp.down_proj.weight), skip


def norm(b: Builder, name: str, x: str, skip: str, weight: torch.Tensor, config) -> tuple[str, str]:
    b.fused(NORM, [x, skip, b.constant(f"{name}.weight", weight.numpy())], [name, "", "", f"{name}.sum"], epsilon=config.rms_norm_eps)
    return name, f"{name}.sum"


def head(b: Builder, x: str, embedding: torch.Tensor) -> None:
    """Of the last `num_logits_to_keep` tokens, 0 for all."""
    b.add("Neg", ["num_logits_to_keep"], "from_last")
    b.add("Reshape", ["from_last", b.constant("vector", np.array([1]))], "starts")
    b.add("Slice", [x, "starts", b.constant("ends", np.array([2**62])), "vector"], "kept")
    b.linear("kept", "logits", embedding)


@torch.no_grad()
def build(model) -> onnx.ModelProto:
    b, config, decoder = Builder(), model.config, model.model
    lengths(b)
    rotary(b, config)
    embedding = decoder.embed_tokens.weight
    skip = b.add("Gather", [b.constant("embed_tokens", embedding.numpy()), "input_ids"], "embedded")
    first = b.constant("norm.0.weight", decoder.layers[0].input_layernorm.weight.numpy())
    x = b.add("SimplifiedLayerNormalization", [skip, first], "norm.0", axis=-1, epsilon=config.rms_norm_eps, stash_type=1)
    norms = [*(l.input_layernorm.weight for l in decoder.layers[1:]), decoder.norm.weight]
    for i, (block, after) in enumerate(zip(decoder.layers, norms)):
        x, skip = layer(b, i, block, config, x, skip)
        x, skip = norm(b, f"norm.{i + 1}", x, skip, after, config)
    head(b, x, embedding)
    graph = helper.make_graph(b.nodes, "smollm2", *faces(config), b.constants)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def faces(config) -> tuple[list, list]:
    """The graph's inputs and outputs as transformers.js calls them, which makes the first empty cache by `batch_size`."""
    tensor = helper.make_tensor_value_info

    def caches(prefix: str, length: str) -> list:
        shape = ["batch_size", config.num_key_value_heads, length, config.head_dim]
        return [tensor(f"{prefix}.{i}.{kind}", FLOAT, shape) for i in range(config.num_hidden_layers) for kind in ("key", "value")]

    ids = [tensor("input_ids", INT64, ["batch_size", "sequence_length"]), tensor("attention_mask", INT64, ["batch_size", "total_sequence_length"])]
    keep = tensor("num_logits_to_keep", INT64, [])
    logits = tensor("logits", FLOAT, ["batch_size", "num_logits_to_keep", config.vocab_size])
    return [*ids, keep, *caches("past_key_values", "past_sequence_length")], [logits, *caches("present", "total_sequence_length")]


@torch.no_grad()
def check(model, file: bytes) -> None:
    session = onnxruntime.InferenceSession(file)
    config = model.config
    ids = torch.randint(1000, 20000, (1, 40))
    expected = model(ids).logits.numpy()
    shape = (1, config.num_key_value_heads, 0, config.head_dim)
    past = {x.name: np.zeros(shape, np.float32) for x in session.get_inputs() if x.name.startswith("past")}
    for begin, end in ((0, 39), (39, 40)):
        inputs = {"input_ids": ids[:, begin:end].numpy(), "attention_mask": np.ones((1, end), np.int64), "num_logits_to_keep": np.array(0)}
        got, *present = session.run(None, {**inputs, **past})
        past = dict(zip(past, present))
        worst = np.abs(got - expected[:, begin:end]).max()
        print(f"tokens {begin} to {end}: {worst:.1e}")
        assert worst < 1e-3


def dequantised(read):
    """The same model without the memory of having been quantised, which would keep it from being written."""
    config = read.config
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config).eval()
    model.load_state_dict(read.state_dict())
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    source = {"pretrained_model_name_or_path": args.gguf.parent, "gguf_file": args.gguf.name}
    model = dequantised(AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32))
    model.save_pretrained(args.out)
    AutoTokenizer.from_pretrained(**source).save_pretrained(args.out)
    onnx_model = build(model)
    check(model, onnx_model.SerializeToString())
    quantizer = MatMulNBitsQuantizer(onnx_model, bits=4, block_size=32, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    file = args.out / "onnx" / "model_q4.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    quantizer.model.save_model_to_file(str(file))


if __name__ == "__main__":
    main()
