"""Write the fixtures of the diffusion language models: tiny random models under their published names, and reference logits in fp32.

    python tools/reference/denoisers.py src/models/fixtures [NAME ...]

transformers has neither LLaDA nor Dream. The reference is its Llama and its Qwen2, given a mask that hides nothing in place of the causal
one; the tensors are then written under LLaDA's names, and under Dream's, which are Qwen2's. Each fixture is a folder: `config.json`,
`model.safetensors` (float16) and `denoised.json`: 24 token ids, the logits at each place and the last layer's normalised states (base64 of
little-endian float32). The generator checks that the last token changes the logits at the first place.
"""

import argparse
import base64
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

TOKENS = 24
SIZES = dict(
    vocab_size=72, hidden_size=64, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=64, rms_norm_eps=1e-3, rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
    tie_word_embeddings=False, attn_implementation="eager",
)  # fmt: skip

LLADA_LAYER = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "q_proj", "self_attn.k_proj": "k_proj", "self_attn.v_proj": "v_proj",
    "self_attn.o_proj": "attn_out", "post_attention_layernorm": "ff_norm", "mlp.gate_proj": "ff_proj", "mlp.up_proj": "up_proj",
    "mlp.down_proj": "ff_out",
}  # fmt: skip
LLADA_TOP = {"model.embed_tokens": "wte", "model.norm": "ln_f", "lm_head": "ff_out"}


def llada_name(name: str) -> str:
    module, kind = name.rsplit(".", 1)
    if module in LLADA_TOP:
        return f"model.transformer.{LLADA_TOP[module]}.{kind}"
    _, _, layer, part = module.split(".", 3)
    return f"model.transformer.blocks.{layer}.{LLADA_LAYER[part]}.{kind}"


def llada_config(config) -> dict:
    return dict(
        model_type="llada", architectures=["LLaDAModelLM"], d_model=config.hidden_size, n_layers=config.num_hidden_layers,
        n_heads=config.num_attention_heads, n_kv_heads=config.num_key_value_heads, mlp_hidden_size=config.intermediate_size,
        max_sequence_length=config.max_position_embeddings, vocab_size=config.vocab_size, embedding_size=config.vocab_size,
        rms_norm_eps=config.rms_norm_eps, rope_theta=5000.0, rope=True, activation_type="silu", block_type="llama",
        layer_norm_type="rms", include_bias=False, include_qkv_bias=False, weight_tying=False, mask_token_id=70, eos_token_id=71,
    )  # fmt: skip


def dream_config(config) -> dict:
    kept = (
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "max_position_embeddings", "vocab_size", "rms_norm_eps",
    )  # fmt: skip
    return dict(
        {key: getattr(config, key) for key in kept}, model_type="Dream", architectures=["DreamModel"], rope_theta=5000.0,
        hidden_act="silu", tie_word_embeddings=False, use_sliding_window=False, mask_token_id=70, eos_token_id=71,
    )  # fmt: skip


# name: (transformers' model, names of tensors, configuration)
MODELS = {
    "llada": ("llama", llada_name, llada_config),
    "dream": ("qwen2", lambda name: name, dream_config),
}


@torch.no_grad()
def random_model(model_type: str):
    torch.manual_seed(len(model_type))
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **SIZES)).eval()
    for name, p in model.named_parameters():
        noise = torch.randn_like(p)
        if p.ndim == 1:
            p.copy_((0.0 if "bias" in name else 1.0) + 0.2 * noise)
        else:
            gain = 1.5 if "q_proj" in name or "k_proj" in name else 1.0
            p.copy_(0.4 * noise if "embed" in name else gain * noise * p.shape[-1] ** -0.5)
        p.copy_(p.half().float())
    return model


@torch.no_grad()
def run(model, ids: torch.Tensor):
    """Logits and normalised states, with a mask of zeros added to the scores."""
    nothing_hidden = torch.zeros(1, 1, ids.shape[1], ids.shape[1])
    out = model(ids, attention_mask=nothing_hidden, output_hidden_states=True, use_cache=False)
    return out.logits[0], out.hidden_states[-1][0]


def encoded(x: torch.Tensor) -> str:
    return base64.b64encode(np.ascontiguousarray(x.numpy(), dtype="<f4").tobytes()).decode()


def write(name: str, folder: Path) -> None:
    model_type, rename, configure = MODELS[name]
    model = random_model(model_type)
    ids = torch.randint(0, 70, (1, TOKENS))
    logits, states = run(model, ids)
    other = ids.clone()
    other[0, -1] = (other[0, -1] + 1) % 70
    assert (run(model, other)[0][0] - logits[0]).abs().max() > 1e-3, "the first place does not see the last"
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {rename(key): value.half().contiguous() for key, value in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(configure(model.config), indent=2) + "\n")
    reference = dict(tokens=ids[0].tolist(), logits=encoded(logits), states=encoded(states))
    (folder / "denoised.json").write_text(json.dumps(reference) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    for name in args.names or MODELS:
        write(name, args.out / name)
