"""Write the tiny llama fixtures: two random models as llama.cpp's converter writes them, and their logits by transformers in fp32.

    python tools/reference/llama_tiny.py src/models/fixtures

`llama-tiny.gguf` is tied, rope base 100000, head size left to hidden/heads (as in SmolLM2). `llama-tiny-untied.gguf` has a head of
its own, rope base 10000, another rms eps, four query heads on one key/value head and an explicit head size (`attention.key_length`)
with heads x size != hidden. All tensors are F32. `llama-tiny.json` holds, for each file, 50 token ids (a prompt of 40, then 10 greedy
steps) and the logits after each of them: base64 of little-endian float32 [50, vocab]. The generator checks that a run with a KV cache
(prompt at once, then token by token) gives the same logits within 1e-5, and that the file read back by transformers does too.
"""

import argparse
import base64
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFWriter, LlamaFileType, TokenType
from transformers import LlamaConfig, LlamaForCausalLM

PROMPT, STEPS = 40, 10

MODELS = {
    "llama-tiny": dict(
        vocab_size=64, hidden_size=64, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        rope_theta=100000.0, rms_norm_eps=1e-5, tie_word_embeddings=True,
    ),
    "llama-tiny-untied": dict(
        vocab_size=64, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1,
        head_dim=16, rope_theta=10000.0, rms_norm_eps=1e-3, tie_word_embeddings=False,
    ),
}  # fmt: skip

# A byte-level vocabulary of 64: enough for lower-case text, far from every byte.
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["t h", "th e", "Ġ the", "i n", "a n", "o n", "Ġ a", "e r"]
LETTERS = [*"abcdefghijklmnopqrstuvwxyz", "Ġ", "Ċ", *"0123456789.,?!-'"]
MERGED = [m.replace(" ", "") for m in MERGES]
TOKENS = SPECIAL + LETTERS + MERGED
TOKENS += [f"<|unused_{i}|>" for i in range(64 - len(TOKENS))]


def random_model(options: dict, seed: int) -> LlamaForCausalLM:
    """Weights large enough that attention is far from uniform: with the default 0.02 a wrong rotation would hardly show."""
    torch.manual_seed(seed)
    theta = options.pop("rope_theta")
    config = LlamaConfig(**options, max_position_embeddings=256, rope_parameters={"rope_type": "default", "rope_theta": theta},
                         bos_token_id=1, eos_token_id=2, attn_implementation="eager")  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 1:
                p.copy_(1 + 0.2 * torch.randn_like(p))
            else:
                gain = 1.5 if "q_proj" in name or "k_proj" in name else 0.25 if "embed" in name else 1.0
                p.copy_(gain * torch.randn_like(p) * (1.0 if "embed" in name else p.shape[1] ** -0.5))
    return model


def permute(weights: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp's order of rows in q and k: rotated pairs side by side instead of half a head apart."""
    rows = weights.shape[0]
    return weights.reshape(heads, 2, rows // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}


def gguf_name(name: str) -> str:
    if name in TOP:
        return TOP[name]
    layer, rest = name.removeprefix("model.layers.").split(".", 1)
    return f"blk.{layer}.{NAMES[rest.removesuffix('.weight')]}.weight"


def write_gguf(model: LlamaForCausalLM, path: Path, name: str, explicit_head: bool) -> None:
    c = model.config
    w = GGUFWriter(str(path), "llama")
    w.add_type("model")
    w.add_name(name)
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_rope_freq_base(c.rope_parameters["rope_theta"])
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    if explicit_head:
        w.add_key_length(c.head_dim)
        w.add_value_length(c.head_dim)
    w.add_file_type(LlamaFileType.ALL_F32)
    w.add_vocab_size(c.vocab_size)
    w.add_rope_dimension_count(c.head_dim)
    write_tokenizer(w)
    for key, tensor in model.state_dict().items():
        if key == "lm_head.weight" and c.tie_word_embeddings:
            continue
        data = tensor.numpy()
        if "q_proj" in key:
            data = permute(data, c.num_attention_heads)
        if "k_proj" in key:
            data = permute(data, c.num_key_value_heads)
        w.add_tensor(gguf_name(key), np.ascontiguousarray(data, dtype=np.float32))
    w.add_quantization_version(2)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_tokenizer(w: GGUFWriter) -> None:
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("smollm")
    w.add_token_list(TOKENS)
    kind = [TokenType.CONTROL] * len(SPECIAL) + [TokenType.NORMAL] * (len(LETTERS) + len(MERGED))
    w.add_token_types(kind + [TokenType.UNUSED] * (len(TOKENS) - len(kind)))
    w.add_token_merges(MERGES)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_unk_token_id(0)
    w.add_pad_token_id(2)
    w.add_add_bos_token(False)
    w.add_add_space_prefix(False)


@torch.no_grad()
def with_cache(model: LlamaForCausalLM, prompt: list[int]) -> tuple[list[int], torch.Tensor]:
    """Greedy: the prompt at once, then a token at a time. Returns all ids and the logits after each, [PROMPT + STEPS, vocab]."""
    out = model(torch.tensor([prompt]), use_cache=True)
    ids, logits = list(prompt), [out.logits[0]]
    for _ in range(STEPS):
        ids.append(int(logits[-1][-1].argmax()))
        out = model(torch.tensor([[ids[-1]]]), past_key_values=out.past_key_values, use_cache=True)
        logits.append(out.logits[0])
    return ids, torch.cat(logits)


@torch.no_grad()
def without_cache(model: LlamaForCausalLM, ids: list[int]) -> torch.Tensor:
    return model(torch.tensor([ids]), use_cache=False).logits[0]


def check(what: str, a: torch.Tensor, b: torch.Tensor) -> None:
    worst = (a - b).abs().max().item()
    print(f"  {what}: {worst:.1e}")
    assert worst < 1e-5, what


def read_back(path: Path) -> LlamaForCausalLM:
    """The file as transformers reads it, alone in a folder so that nothing beside it is taken for its config."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / path.name).write_bytes(path.read_bytes())
        return LlamaForCausalLM.from_pretrained(folder, gguf_file=path.name, dtype=torch.float32).eval()


def fixture(name: str, options: dict, seed: int, out: Path) -> dict:
    print(name)
    explicit_head = "head_dim" in options
    model = random_model(dict(options), seed)
    path = out / f"{name}.gguf"
    write_gguf(model, path, name, explicit_head)
    prompt = np.random.default_rng(seed).integers(3, len(TOKENS), PROMPT).tolist()
    ids, logits = with_cache(model, prompt)
    full = without_cache(model, ids)
    print(f"  logits: std {full.std():.2f}")
    check("with a cache against without", logits, full)
    check("the file read back", without_cache(read_back(path), ids), full)
    return {
        "file": path.name,
        "prompt": PROMPT,
        "tokens": ids,
        "shape": list(full.shape),
        "logits": base64.b64encode(full.numpy().astype("<f4").tobytes()).decode(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write the .gguf files and llama-tiny.json to")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    models = [fixture(name, options, seed, out) for seed, (name, options) in enumerate(MODELS.items(), 1)]
    (out / "llama-tiny.json").write_text(json.dumps({"source": "tools/reference/llama_tiny.py", "models": models}, indent=1) + "\n")


if __name__ == "__main__":
    main()
