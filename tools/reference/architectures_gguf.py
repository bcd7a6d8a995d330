"""A transformers model as llama.cpp's converter writes it: names, orders of rows and metadata keys of each architecture."""

from pathlib import Path

import numpy as np
import torch
from gguf import (
    MODEL_ARCH,
    MODEL_ARCH_NAMES,
    ExpertGatingFuncType,
    GGMLQuantizationType,
    GGUFWriter,
    RopeScalingType,
    TokenType,
    get_tensor_name_map,
)

from mxfp4 import as_ggml

RECURRENT = ("mamba", "mamba2", "falcon_mamba")

# Those whose layers attend or keep a state.
NEMOTRON = ("nemotron_h", "nemotron_h_moe")
HYBRID = ("granitehybrid", "lfm2", "lfm2moe", *NEMOTRON)
LFM2 = ("lfm2", "lfm2moe")

# Those with the gated delta rule; the converter lays the heads of values of the second and third apart that share a key.
DELTA = ("qwen3next", "qwen35", "qwen35moe")

# Those with Mamba-2's mixers.
MAMBA2 = ("mamba2", "granitehybrid", "falcon-h1", *NEMOTRON)

# Of recurrent models: all else is stored in float32.
MATRICES = ("proj.weight", "embeddings.weight", "lm_head.weight")

# Rotated pairs side by side instead of half a head apart.
PERMUTED = ("llama", "granite", "granitemoe", "granitehybrid", "smollm3", *NEMOTRON)


def permute(weights: np.ndarray, heads: int) -> np.ndarray:
    rows = weights.shape[0]
    return weights.reshape(heads, 2, rows // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def tensor_data(name: str, tensor: torch.Tensor, model, architecture: str) -> np.ndarray:
    c = model.config
    data = (multiplied(name, tensor, c) if architecture == "falcon-h1" else tensor).float().numpy()
    if architecture == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        data = data.T
    if architecture in PERMUTED and ("q_proj" in name or "k_proj" in name):
        data = permute(data, c.num_attention_heads if "q_proj" in name else c.num_key_value_heads)
    if architecture in ("gemma2", "gemma3") and name.endswith("norm.weight"):
        data = data + 1
    if name.endswith("conv.conv.weight"):
        data = data.squeeze(1)
    if architecture in DELTA and name.endswith("norm.weight") and "linear_attn" not in name:
        data = data + 1
    mixed = architecture in (*RECURRENT, *NEMOTRON) or ".mamba." in name or ".linear_attn." in name
    if mixed:
        data = recurrent_data(name, data, c, architecture)
    if architecture in ("qwen35", "qwen35moe") and ".linear_attn." in name:
        data = tiled_values(name, data, c)
    whole = data.ndim == 1 or name.endswith("conv.conv.weight") or (mixed and not name.endswith(MATRICES))
    return np.ascontiguousarray(data, dtype=np.float32 if whole else np.float16)


def multiplied(name: str, tensor: torch.Tensor, c) -> torch.Tensor:
    """Falcon-H1's weights times the multipliers of what they give."""
    if name.endswith("mamba.in_proj.weight"):
        state = c.mamba_n_groups * c.mamba_d_state
        sizes = [c.mamba_d_ssm, c.mamba_d_ssm, state, state, c.mamba_n_heads]
        parts = tensor.split(sizes)
        return torch.cat([c.ssm_in_multiplier * factor * part for factor, part in zip(c.ssm_multipliers, parts)])
    factors = {
        "self_attn.q_proj": c.attention_in_multiplier,
        "self_attn.k_proj": c.attention_in_multiplier * c.key_multiplier,
        "self_attn.v_proj": c.attention_in_multiplier,
        "self_attn.o_proj": c.attention_out_multiplier,
        "mamba.out_proj": c.ssm_out_multiplier,
        "feed_forward.gate_proj": c.mlp_multipliers[0],
        "feed_forward.down_proj": c.mlp_multipliers[1],
        "embed_tokens": c.embedding_multiplier,
        "lm_head": c.lm_head_multiplier,
    }
    return tensor * next((factor for part, factor in factors.items() if f"{part}.weight" in name), 1)


def recurrent_data(name: str, data: np.ndarray, c, architecture: str) -> np.ndarray:
    """A itself in place of its logarithm; one column a head, and the norm a row a group."""
    if name.endswith("A_log"):
        data = -np.exp(data)
    if name.endswith("conv1d.weight"):
        data = data.squeeze(1)
    if architecture in MAMBA2 and name.endswith((".D", "A_log")):
        data = data.reshape(-1, 1)
    if architecture in MAMBA2 and name.endswith(("mixer.norm.weight", "mamba.norm.weight")):
        data = data.reshape(c.mamba_n_groups if architecture in ("granitehybrid", "falcon-h1") else c.n_groups, -1)
    return data


def tiled_values(name: str, data: np.ndarray, c) -> np.ndarray:
    """Heads of values, those that share a key one key apart from each other."""
    keys, each = c.linear_num_key_heads, c.linear_num_value_heads // c.linear_num_key_heads
    if name.endswith("linear_attn.norm.weight"):
        return data
    if name.endswith("out_proj.weight"):
        return data.reshape(len(data), keys, each, -1).swapaxes(1, 2).reshape(data.shape)
    first = 2 * keys * c.linear_key_head_dim if name.endswith(("in_proj_qkv.weight", "conv1d.weight")) else 0
    values = data[first:]
    tiled = values.reshape(keys, each, -1).swapaxes(0, 1).reshape(values.shape)
    return np.concatenate([data[:first], tiled])


def add_vocabulary(w: GGUFWriter, size: int) -> None:
    """No text is ever encoded with it; llama.cpp wants one all the same."""
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list([f"<{i}>" for i in range(size - 3)] + ["a", "b", "ab"])
    w.add_token_types([TokenType.NORMAL] * size)
    w.add_token_merges(["a b"])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)


def adjusted_width(c) -> int:
    """LFM2's width of a feed-forward."""
    width = int(c.block_ffn_dim_multiplier * int(2 * c.intermediate_size / 3))
    return c.block_multiple_of * -(-width // c.block_multiple_of)


def add_recurrent_sizes(w: GGUFWriter, c) -> None:
    inner = c.num_heads * c.head_dim if c.model_type == "mamba2" else c.intermediate_size
    w.add_context_length(2**20)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(0)
    w.add_head_count(0)
    w.add_block_count(c.num_hidden_layers)
    w.add_ssm_conv_kernel(c.conv_kernel)
    w.add_ssm_inner_size(inner)
    w.add_ssm_state_size(c.state_size)
    w.add_ssm_time_step_rank(c.num_heads if c.model_type == "mamba2" else c.time_step_rank)
    if c.model_type == "mamba2":
        w.add_ssm_group_count(c.n_groups)
    else:
        w.add_ssm_dt_b_c_rms(c.model_type == "falcon_mamba")
    w.add_layer_norm_rms_eps(c.layer_norm_epsilon)
    add_vocabulary(w, c.vocab_size)


def add_sizes(w: GGUFWriter, c, architecture: str) -> None:
    if c.model_type in RECURRENT:
        return add_recurrent_sizes(w, c)
    w.add_block_count(c.num_hidden_layers + (getattr(c, "num_nextn_predict_layers", 0) if architecture == "glm4moe" else 0))
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    if architecture == "lfm2":
        w.add_feed_forward_length(adjusted_width(c))
    elif architecture == "qwen35moe":
        pass
    elif architecture == "llama4":
        w.add_feed_forward_length(c.intermediate_size_mlp)
        w.add_expert_feed_forward_length(c.intermediate_size)
        w.add_interleave_moe_layer_step(c.interleave_moe_layer_step)
    elif architecture == "gemma4" and c.use_double_wide_mlp:
        own = c.num_hidden_layers - c.num_kv_shared_layers
        w.add_feed_forward_length([c.intermediate_size * (1 if layer < own else 2) for layer in range(c.num_hidden_layers)])
    elif architecture == "nemotron_h":
        w.add_feed_forward_length([c.intermediate_size * (kind == "mlp") for kind in c.layer_types])
    elif architecture == "nemotron_h_moe":
        w.add_feed_forward_length([c.moe_intermediate_size * (kind == "moe") for kind in c.layer_types])
    else:
        w.add_feed_forward_length(getattr(c, "intermediate_size", None) or getattr(c, "n_inner", None) or 4 * c.hidden_size)
    w.add_head_count(c.num_attention_heads)
    add_vocabulary(w, c.vocab_size)
    if c.model_type == "gpt2":
        w.add_layer_norm_eps(c.layer_norm_epsilon)
        return
    attends = [kind == "full_attention" for kind in c.layer_types] if architecture in HYBRID else None
    if architecture == "gemma4":
        return add_own_heads(w, c)
    shared = 1 if c.model_type == "deepseek_v3" else c.num_key_value_heads
    w.add_head_count_kv([c.num_key_value_heads * own for own in attends] if attends else shared)
    if architecture == "cohere2":
        w.add_layer_norm_eps(c.layer_norm_eps)
    else:
        w.add_layer_norm_rms_eps(c.norm_eps if architecture in LFM2 else getattr(c, "rms_norm_eps", None) or c.layer_norm_epsilon)
    if architecture == "deepseek2":
        add_latent_sizes(w, c)
    elif getattr(c, "head_dim", None):
        w.add_key_length(c.head_dim)
        w.add_value_length(c.head_dim)


def add_own_heads(w: GGUFWriter, c) -> None:
    """Gemma 4's heads, which differ by layer."""
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_head_count_kv([layer.num_key_value_heads for layer in c.per_layer_config])
    far, near = (c.per_layer_config[c.layer_types.index(kind)].head_dim for kind in ("full_attention", "sliding_attention"))
    w.add_key_length(far)
    w.add_value_length(far)
    w.add_key_length_swa(near)
    w.add_value_length_swa(near)
    w.add_rope_freq_base_swa(c.rope_parameters["sliding_attention"]["rope_theta"])
    w.add_rope_dimension_count_swa(near)
    w.add_shared_kv_layers(c.num_kv_shared_layers)
    w.add_embedding_length_per_layer_input(c.hidden_size_per_layer_input)
    if c.final_logit_softcapping:
        w.add_final_logit_softcapping(c.final_logit_softcapping)


def add_latent_sizes(w: GGUFWriter, c) -> None:
    w.add_kv_lora_rank(c.kv_lora_rank)
    if c.q_lora_rank:
        w.add_q_lora_rank(c.q_lora_rank)
    by_head = c.model_type == "deepseek_v3"
    (w.add_key_length_mla if by_head else w.add_key_length)(c.qk_nope_head_dim + c.qk_rope_head_dim)
    (w.add_value_length_mla if by_head else w.add_value_length)(c.v_head_dim)
    if by_head:
        w.add_key_length(c.kv_lora_rank + c.qk_rope_head_dim)
        w.add_value_length(c.kv_lora_rank)
    if c.rope_parameters.get("mscale_all_dim"):
        w.add_rope_scaling_yarn_log_mul(0.1 * c.rope_parameters["mscale_all_dim"])


def rope_parameters(c) -> dict:
    return c.rope_parameters.get("full_attention", c.rope_parameters)


def add_rope(w: GGUFWriter, model, head_size: int) -> None:
    c = model.config
    rope = rope_parameters(c)
    w.add_rope_freq_base(rope["rope_theta"])
    kind = rope["rope_type"]
    share = rope.get("partial_rotary_factor", 1)
    w.add_rope_dimension_count(head_size if kind == "proportional" else int(head_size * share))
    if kind == "proportional":
        turned = int(head_size * share) // 2
        divisors = [1.0] * turned + [1e30] * (head_size // 2 - turned)
        w.add_tensor("rope_freqs.weight", np.array(divisors, dtype=np.float32))
    if "mrope_section" in rope:
        w.add_rope_dimension_sections([*rope["mrope_section"], 0])
    if kind in ("linear", "yarn"):
        w.add_rope_scaling_type(RopeScalingType(kind))
        w.add_rope_scaling_factor(rope["factor"])
    if kind in ("yarn", "longrope"):
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if kind == "llama3":
        plain = rope["rope_theta"] ** -(torch.arange(0, head_size, 2).float() / head_size)
        w.add_tensor("rope_freqs.weight", (plain / model.model.rotary_emb.inv_freq).numpy().astype(np.float32))
    if kind == "longrope":
        stretch = c.max_position_embeddings / rope["original_max_position_embeddings"]
        w.add_rope_scaling_attn_factors(np.sqrt(1 + np.log(stretch) / np.log(rope["original_max_position_embeddings"])))
        for which in ("short", "long"):
            w.add_tensor(f"rope_factors_{which}.weight", np.array(rope[f"{which}_factor"], dtype=np.float32))


def split_side_by_side(name: str, tensor: torch.Tensor) -> dict[str, torch.Tensor] | None:
    """Llama 4's experts, whose gates and ups lie side by side, by their names in a GGUF; None for other tensors."""
    layer, _, part = name.removeprefix("model.layers.").partition(".feed_forward.experts.")
    if part == "down_proj":
        stacks = {"ffn_down_exps": tensor}
    elif part == "gate_up_proj":
        stacks = dict(zip(("ffn_gate_exps", "ffn_up_exps"), tensor.chunk(2, dim=2)))
    else:
        return None
    return {f"blk.{layer}.{to}.weight": data.transpose(1, 2) for to, data in stacks.items()}


def add_experts(w: GGUFWriter, c) -> None:
    count = getattr(c, "num_local_experts", None) or getattr(c, "num_experts", None) or getattr(c, "n_routed_experts", None)
    if not count:
        return
    w.add_expert_count(count)
    w.add_expert_used_count(getattr(c, "num_experts_per_tok", None) or c.top_k_experts)
    if getattr(c, "moe_intermediate_size", None):
        w.add_expert_feed_forward_length(c.moe_intermediate_size)
    shared = getattr(c, "shared_expert_intermediate_size", None) or getattr(c, "shared_intermediate_size", None)
    if shared:
        w.add_expert_shared_feed_forward_length(shared)
    if getattr(c, "n_shared_experts", None):
        add_deepseek_experts(w, c)


def add_nemotron_experts(w: GGUFWriter, c) -> None:
    w.add_expert_count(c.n_routed_experts)
    w.add_expert_used_count(c.num_experts_per_tok)
    w.add_expert_feed_forward_length(c.moe_intermediate_size)
    w.add_expert_shared_feed_forward_length(c.moe_shared_expert_intermediate_size)
    w.add_expert_shared_count(c.n_shared_experts)
    w.add_expert_weights_norm(c.norm_topk_prob)
    w.add_expert_weights_scale(c.routed_scaling_factor)
    w.add_expert_group_count(c.n_group)


def add_deepseek_experts(w: GGUFWriter, c) -> None:
    w.add_expert_shared_count(c.n_shared_experts)
    w.add_leading_dense_block_count(c.first_k_dense_replace)
    w.add_expert_weights_scale(c.routed_scaling_factor)
    w.add_expert_weights_norm(c.norm_topk_prob)
    w.add_expert_gating_func(ExpertGatingFuncType.SOFTMAX if c.model_type == "deepseek_v2" else ExpertGatingFuncType.SIGMOID)
    if c.n_group:
        w.add_expert_group_count(c.n_group)
        w.add_expert_group_used_count(c.topk_group)


def split_delta(name: str, tensor: torch.Tensor, c) -> dict[str, torch.Tensor] | None:
    """Qwen3-Next's projection of queries, keys, values and gates, key head by key head, as two matrices; None for other tensors."""
    if not name.endswith("in_proj_qkvz.weight"):
        return None
    layer = name.split(".")[2]
    each = c.linear_num_value_heads // c.linear_num_key_heads * c.linear_value_head_dim
    sizes = [c.linear_key_head_dim, c.linear_key_head_dim, each, each]
    parts = tensor.view(c.linear_num_key_heads, sum(sizes), -1).split(sizes, dim=1)
    q, k, v, gate = (part.reshape(-1, tensor.shape[1]) for part in parts)
    return {f"blk.{layer}.attn_qkv.weight": torch.cat([q, k, v]), f"blk.{layer}.attn_gate.weight": gate}


def split_latent(name: str, tensor: torch.Tensor, c) -> dict[str, torch.Tensor] | None:
    """Keys and values of a latent head by head, those of keys turned, as the converter has written them since April 2025; None for other tensors."""
    if c.model_type != "deepseek_v3" or not name.endswith("kv_b_proj.weight"):
        return None
    layer = name.split(".")[2]
    k, v = tensor.view(c.num_attention_heads, c.qk_nope_head_dim + c.v_head_dim, -1).split([c.qk_nope_head_dim, c.v_head_dim], dim=1)
    return {f"blk.{layer}.attn_k_b.weight": k.transpose(1, 2), f"blk.{layer}.attn_v_b.weight": v}


def split_experts(name: str, tensor: torch.Tensor, c) -> dict[str, torch.Tensor] | None:
    """Stacks of matrices by their names in a GGUF; None for other tensors."""
    layer, _, part = name.removeprefix("model.layers.").partition(".")
    stem = part.removesuffix(".weight").removeprefix("mlp.").removeprefix("block_sparse_moe.").removeprefix("feed_forward.").removeprefix("mixer.")
    to = lambda what: f"blk.{layer}.{what}.weight"
    if stem in ("experts.gate_up_proj", "input_linear"):
        gate, up = tensor.chunk(2, dim=1)
        return {to("ffn_gate_exps"): gate, to("ffn_up_exps"): up}
    if stem == "experts.up_proj":
        return {to("ffn_up_exps"): tensor}
    if stem in ("experts.down_proj", "output_linear"):
        return {to("ffn_down_exps"): tensor}
    if stem in ("gate", "router", "router.layer"):
        return {to("ffn_gate_inp"): tensor}
    # Without experts it is the layer's only feed-forward.
    shared = "_shexp" if getattr(c, "num_local_experts", 0) else ""
    if stem == "shared_mlp.input_linear":
        gate, up = tensor.chunk(2, dim=0)
        return {to(f"ffn_gate{shared}"): gate, to(f"ffn_up{shared}"): up}
    if stem == "shared_mlp.output_linear":
        return {to(f"ffn_down{shared}"): tensor}
    if stem == "shared_expert_gate":
        return {to("ffn_gate_inp_shexp"): tensor}
    return None


def split_woven(name: str, tensor: torch.Tensor) -> dict[str, torch.Tensor] | None:
    """gpt-oss's experts, whose gates and ups alternate, by their names in a GGUF; None for other tensors."""
    layer, _, part = name.removeprefix("model.layers.").partition(".mlp.experts.")
    kind = "bias" if part.endswith("_bias") else "weight"
    if part.startswith("down_proj"):
        woven = {"ffn_down_exps": tensor}
    elif part.startswith("gate_up_proj"):
        woven = {"ffn_gate_exps": tensor[..., 0::2], "ffn_up_exps": tensor[..., 1::2]}
    else:
        return None
    return {f"blk.{layer}.{to}.{kind}": data if kind == "bias" else data.transpose(1, 2) for to, data in woven.items()}


def split_blocks(name: str, blocks: torch.Tensor, scales: torch.Tensor) -> dict[str, np.ndarray]:
    """The same of MXFP4 tensors, whose rows alternate."""
    stacks = split_woven(name, torch.arange(blocks.shape[1]).expand(1, 1, -1))
    return {to: as_ggml(blocks[:, rows.flatten()], scales[:, rows.flatten()]) for to, rows in stacks.items()}


def add_own(w: GGUFWriter, c, architecture: str) -> None:
    """What only some architectures have."""
    if architecture in ("cohere2", "exaone4", "gemma2", "gemma3", "gemma4", "phi3", "gpt-oss") and c.sliding_window:
        w.add_sliding_window(c.sliding_window)
    if architecture in ("exaone4", "gemma4") and c.sliding_window:
        w.add_sliding_window_pattern([kind == "sliding_attention" for kind in c.layer_types])
    if architecture == "cohere2":
        w.add_logit_scale(c.logit_scale)
        w.add_rope_scaling_type(RopeScalingType.NONE)
    if architecture == "gemma2":
        w.add_attn_logit_softcapping(c.attn_logit_softcapping)
        w.add_final_logit_softcapping(c.final_logit_softcapping)
    # A Nemotron-H without experts has their settings all the same.
    if architecture == "nemotron_h_moe":
        add_nemotron_experts(w, c)
    elif architecture != "nemotron_h":
        add_experts(w, c)
    if architecture == "gpt-oss":
        w.add_expert_feed_forward_length(c.intermediate_size)
    if architecture in NEMOTRON:
        w.add_ssm_conv_kernel(c.conv_kernel)
        w.add_ssm_state_size(c.ssm_state_size)
        w.add_ssm_group_count(c.n_groups)
        w.add_ssm_inner_size(c.mamba_num_heads * c.mamba_head_dim)
        w.add_ssm_time_step_rank(c.mamba_num_heads)
        w.add_rope_scaling_finetuned(False)
    if architecture in DELTA:
        w.add_ssm_conv_kernel(c.linear_conv_kernel_dim)
        w.add_ssm_state_size(c.linear_key_head_dim)
        w.add_ssm_group_count(c.linear_num_key_heads)
        w.add_ssm_time_step_rank(c.linear_num_value_heads)
        w.add_ssm_inner_size(c.linear_value_head_dim * c.linear_num_value_heads)
        w.add_full_attention_interval(1 + c.layer_types.index("full_attention"))
    if architecture in LFM2:
        w.add_shortconv_l_cache(c.conv_L_cache)
    if architecture == "lfm2moe":
        w.add_leading_dense_block_count(c.num_dense_layers)
        w.add_expert_gating_func(ExpertGatingFuncType.SIGMOID)
    if architecture == "glm4moe":
        w.add_nextn_predict_layers(c.num_nextn_predict_layers)
    if architecture == "granitehybrid":
        w.add_ssm_conv_kernel(c.mamba_d_conv)
        w.add_ssm_state_size(c.mamba_d_state)
        w.add_ssm_group_count(c.mamba_n_groups)
        w.add_ssm_inner_size(c.mamba_expand * c.hidden_size)
        w.add_ssm_time_step_rank(c.mamba_n_heads)
        w.add_rope_scaling_finetuned(c.position_embedding_type == "rope")
    if architecture == "falcon-h1":
        w.add_ssm_conv_kernel(c.mamba_d_conv)
        w.add_ssm_state_size(c.mamba_d_state)
        w.add_ssm_group_count(c.mamba_n_groups)
        w.add_ssm_inner_size(c.mamba_d_ssm)
        w.add_ssm_time_step_rank(c.mamba_n_heads)
    if architecture in ("granite", "granitemoe", "granitehybrid"):
        w.add_attention_scale(c.attention_multiplier)
        w.add_embedding_scale(c.embedding_multiplier)
        w.add_residual_scale(c.residual_multiplier)
        w.add_logit_scale(c.logits_scaling)


def write_gguf(model, architecture: str, path: Path, blocks: dict = {}) -> None:
    """`blocks`: MXFP4 tensors by the names of the parameters in whose place they are."""
    c = model.config
    w = GGUFWriter(str(path), architecture)
    add_sizes(w, c, architecture)
    if architecture not in ("gpt2", *NEMOTRON, *RECURRENT):
        first = c.per_layer_config[c.layer_types.index("full_attention")] if architecture == "gemma4" else c
        add_rope(w, model, getattr(first, "head_dim", None) or c.hidden_size // c.num_attention_heads)
    add_own(w, c, architecture)
    kind = next(k for k in MODEL_ARCH if MODEL_ARCH_NAMES[k] == architecture)
    names = get_tensor_name_map(kind, c.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and c.tie_word_embeddings:
            continue
        if name in blocks:
            for canonical, stack in split_blocks(name, *blocks[name]).items():
                w.add_tensor(canonical, stack, raw_dtype=GGMLQuantizationType.MXFP4)
            continue
        woven = split_woven(name, tensor) if architecture == "gpt-oss" else None
        woven = split_side_by_side(name, tensor) if architecture == "llama4" else woven
        # Gemma 4's gates stay above its ups.
        split = (lambda *_: None) if architecture == "gemma4" else split_experts
        experts = woven or split(name, tensor, c) or split_delta(name, tensor, c) or split_latent(name, tensor, c)
        if experts:
            for canonical, part in experts.items():
                whole = "_inp" in canonical or canonical.endswith(".bias")
                w.add_tensor(canonical, np.ascontiguousarray(part.float().numpy(), dtype=np.float32 if whole else np.float16))
            continue
        # The converter's name of what is added to the steps.
        named = name.replace("dt_bias", "dt_proj.bias").replace("expert_bias", "expert_bias.bias")
        named = named.replace("e_score_correction_bias", "e_score_correction.bias")
        if architecture in NEMOTRON:
            named = named.replace("model.", "backbone.", 1)
        if name.endswith(("sinks", "layer_scalar", "experts.gate_up_proj", "experts.down_proj")):
            named += ".weight"
        named = named.replace("router.scale", "router.proj.scale").replace("router.per_expert_scale", "experts.down_proj.scale")
        canonical = names.get_name(named, try_suffixes=(".weight", ".bias", ".scale"))
        assert canonical, name
        w.add_tensor(canonical, tensor_data(name, tensor, model, architecture))
    # A layer that predicts further tokens, which has some tensors of a kind that the others have as well.
    if architecture == "glm4moe" and c.num_nextn_predict_layers:
        for part, shape in (("attn_norm", (c.hidden_size,)), ("nextn.eh_proj", (c.hidden_size, 2 * c.hidden_size))):
            w.add_tensor(f"blk.{c.num_hidden_layers}.{part}.weight", np.ones(shape, dtype=np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
