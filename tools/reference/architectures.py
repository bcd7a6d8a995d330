"""Write the fixtures of the decoder architectures: tiny random models as they are published, and transformers' logits in fp32.

    python tools/reference/architectures.py src/models/fixtures [NAME ...]

Each fixture is a folder: `config.json` and `model.safetensors` as `save_pretrained` writes them (float16), where GGUF has the
architecture `model.gguf` as llama.cpp's converter would write it, and `reference.json`: 48 token ids and the logits after each of them
(base64 of little-endian float32 [48, vocabulary]). Settings are away from their defaults, so that one that is not read shows. The
generator checks that transformers agrees with itself within 2e-5 with a key-value cache and from the folder. llama.cpp, with its float16
cache, gives the GGUFs' last probabilities within 6e-4, but for `phi3` (it leaves the window away) and `phi3-long` (it takes the long factors).
"""

import argparse
import base64
import copy
import json
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from architectures_gguf import write_gguf
from mxfp4 import dequantized, digests, random_blocks, store_blocks

TOKENS = 48

COMMON = dict(
    vocab_size=72, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    head_dim=16, max_position_embeddings=64, rms_norm_eps=1e-3, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)  # fmt: skip


HYBRID = dict(
    embedding_multiplier=3.0, residual_multiplier=0.5, attention_multiplier=0.3, logits_scaling=2.5, mamba_n_heads=4, mamba_d_head=16,
    mamba_d_state=6, mamba_d_conv=3, mamba_expand=2, mamba_chunk_size=16,
)  # fmt: skip


# As gpt-oss is published: YaRN that does not round.
GPT_OSS = dict(
    rope_parameters={
        "rope_type": "yarn", "rope_theta": 5000.0, "factor": 4.0, "original_max_position_embeddings": 16, "truncate": False},
    num_hidden_layers=4, intermediate_size=32, sliding_window=9, num_local_experts=4, num_experts_per_tok=2, max_position_embeddings=4096,
    tie_word_embeddings=False,
)  # fmt: skip

# Sizes of latent attention; llama.cpp's norms of latents have the epsilon of all norms, transformers' 1e-6.
LATENT = dict(
    head_dim=None, num_attention_heads=2, num_key_value_heads=2, kv_lora_rank=20, qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=24,
    moe_intermediate_size=16,
)  # fmt: skip


# As Gemma 4 31B: every layer that sees everything has fewer and wider heads, whose values are their keys.
GEMMA4 = dict(
    num_attention_heads=2, num_key_value_heads=2, head_dim=16, global_head_dim=32, num_global_key_value_heads=1, attention_k_eq_v=True,
    hidden_size_per_layer_input=0, vocab_size_per_layer_input=72, intermediate_size=24, sliding_window=9, max_position_embeddings=4096,
    final_logit_softcapping=6.0, rope_parameters={
        "sliding_attention": {"rope_type": "default", "rope_theta": 5000.0},
        "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 90000.0}},
)  # fmt: skip

QWEN3_5 = dict(
    rope_parameters={
        "rope_type": "default", "rope_theta": 5000.0, "partial_rotary_factor": 0.5, "mrope_interleaved": True, "mrope_section": [4, 2, 2]},
    head_dim=32, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=4, linear_conv_kernel_dim=3, linear_key_head_dim=8,
    linear_value_head_dim=8, linear_num_key_heads=2, linear_num_value_heads=4, full_attention_interval=2, max_position_embeddings=4096,
)  # fmt: skip


# As Llama 4 is published, with experts in every other layer as in Maverick.
LLAMA4 = dict(
    rope_parameters={
        "rope_type": "llama3", "rope_theta": 5000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16},
    num_attention_heads=2, num_key_value_heads=1, intermediate_size=16, intermediate_size_mlp=24, num_local_experts=3,
    interleave_moe_layer_step=2, max_position_embeddings=4096,
)  # fmt: skip


def rope(kind: str, **more) -> dict:
    return dict(rope_parameters={"rope_type": kind, "rope_theta": 5000.0, **more})


FALCON_H1 = dict(
    **rope("default"), num_attention_heads=2, num_key_value_heads=1, intermediate_size=24, mamba_d_ssm=48, mamba_n_heads=4, mamba_d_head=12,
    mamba_d_state=6, mamba_d_conv=3, mamba_chunk_size=16, max_position_embeddings=4096, embedding_multiplier=4.0, lm_head_multiplier=0.5,
    mlp_multipliers=[0.5, 2.0], key_multiplier=0.5, attention_in_multiplier=2.0, attention_out_multiplier=0.5, ssm_in_multiplier=0.5,
    ssm_multipliers=[2.0, 4.0, 8.0, 0.5, 1.0], ssm_out_multiplier=0.25, tie_word_embeddings=False,
)  # fmt: skip


# name: (model_type, GGUF's architecture, configuration)
MODELS = {
    "llama-biased": ("llama", "llama", dict(**rope("default"), attention_bias=True, mlp_bias=True, tie_word_embeddings=False)),
    "llama-linear": ("llama", "llama", dict(**rope("linear", factor=4.0), tie_word_embeddings=True)),
    "llama-llama3": ("llama", "llama", dict(
        **rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16),
        tie_word_embeddings=True)),
    "llama-yarn": ("llama", "llama", dict(**rope("yarn", factor=4.0, original_max_position_embeddings=16))),
    "llama-heads": ("llama", "llama", dict(**rope("default"), head_dim=20, attention_bias=True, tie_word_embeddings=True)),
    "mistral": ("mistral", None, dict(**rope("default"), sliding_window=9)),
    "qwen2": ("qwen2", "qwen2", dict(
        **rope("default"), head_dim=None, num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True)),
    "qwen2-window": ("qwen2", None, dict(**rope("default"), use_sliding_window=True, sliding_window=7, max_window_layers=1)),
    "gemma2": ("gemma2", "gemma2", dict(
        **rope("default"), num_hidden_layers=3, sliding_window=8, query_pre_attn_scalar=16, attn_logit_softcapping=4.0,
        final_logit_softcapping=6.0)),
    "gemma2-scalar": ("gemma2", None, dict(**rope("default"), sliding_window=8, query_pre_attn_scalar=24, attn_logit_softcapping=None)),
    "gemma3": ("gemma3_text", "gemma3", dict(
        num_hidden_layers=6, intermediate_size=24, num_key_value_heads=1, num_attention_heads=2, sliding_window=8,
        query_pre_attn_scalar=16, rope_parameters={
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 90000.0}})),
    "qwen3": ("qwen3", "qwen3", dict(**rope("default"), tie_word_embeddings=True)),
    "qwen3-heads": ("qwen3", "qwen3", dict(**rope("default"), head_dim=12, tie_word_embeddings=True)),
    "phi3": ("phi3", "phi3", dict(
        head_dim=None, hidden_size=96, num_attention_heads=3, num_key_value_heads=1, intermediate_size=24, sliding_window=30,
        original_max_position_embeddings=64, **rope("default", partial_rotary_factor=0.5))),
    "phi3-long": ("phi3", "phi3", dict(
        head_dim=None, hidden_size=64, num_attention_heads=4, original_max_position_embeddings=48, sliding_window=None, **rope(
            "longrope", original_max_position_embeddings=48, short_factor=[1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 3.0],
            long_factor=[2.0 + i for i in range(8)]))),
    "olmo2": ("olmo2", "olmo2", dict(**rope("default"), hidden_size=64, head_dim=None)),
    "granite": ("granite", "granite", dict(
        **rope("default"), hidden_size=64, head_dim=None, embedding_multiplier=3.0, residual_multiplier=0.5, attention_multiplier=0.3,
        logits_scaling=2.5, tie_word_embeddings=True)),
    "smollm3": ("smollm3", "smollm3", dict(**rope("default"), num_hidden_layers=4, tie_word_embeddings=True)),
    "gpt2": ("gpt2", "gpt2", dict(
        n_embd=32, n_head=2, n_layer=2, n_positions=64, n_inner=None, layer_norm_epsilon=1e-3)),
    "gemma3-images": ("gemma3", None, dict(
        text_config=dict(
            vocab_size=72, hidden_size=32, num_hidden_layers=6, intermediate_size=24, num_key_value_heads=1, num_attention_heads=2, head_dim=16,
            max_position_embeddings=64, sliding_window=8, query_pre_attn_scalar=16, rope_theta=90000.0, rope_scaling={"rope_type": "linear", "factor": 2.0}),
        vision_config=dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14),
        mm_tokens_per_image=4, image_token_index=2, boi_token_index=0, eoi_token_index=1)),
    "ernie4_5": ("ernie4_5", "ernie4_5", dict(**rope("default"), use_bias=True, tie_word_embeddings=True)),
    "mixtral": ("mixtral", "llama", dict(**rope("default"), num_local_experts=4, num_experts_per_tok=2, tie_word_embeddings=False)),
    "qwen2_moe": ("qwen2_moe", "qwen2moe", dict(
        **rope("default"), head_dim=None, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=3, num_experts=4,
        num_experts_per_tok=2, moe_intermediate_size=24, shared_expert_intermediate_size=48)),
    "qwen2_moe-steps": ("qwen2_moe", None, dict(
        **rope("default"), head_dim=None, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=3, num_experts=4,
        num_experts_per_tok=1, moe_intermediate_size=24, shared_expert_intermediate_size=48, decoder_sparse_step=2)),
    "qwen3_moe": ("qwen3_moe", "qwen3moe", dict(
        **rope("default"), num_experts=6, num_experts_per_tok=3, moe_intermediate_size=24, norm_topk_prob=True)),
    "granitemoe": ("granitemoe", "granitemoe", dict(
        **rope("default"), hidden_size=64, head_dim=None, embedding_multiplier=3.0, residual_multiplier=0.5, attention_multiplier=0.3,
        logits_scaling=2.5, num_local_experts=4, num_experts_per_tok=2, tie_word_embeddings=True)),
    "olmoe": ("olmoe", "olmoe", dict(
        **rope("default"), hidden_size=64, head_dim=None, num_experts=8, num_experts_per_tok=3, intermediate_size=24)),
    "jetmoe": ("jetmoe", None, dict(
        **rope("default"), head_dim=None, num_attention_heads=None, kv_channels=16, num_local_experts=4, num_experts_per_tok=2)),
    "mamba": ("mamba", "mamba", dict(
        state_size=5, intermediate_size=48, time_step_rank=3, conv_kernel=4, layer_norm_epsilon=1e-3, tie_word_embeddings=True)),
    "mamba2": ("mamba2", "mamba2", dict(
        state_size=12, num_heads=4, head_dim=16, n_groups=1, conv_kernel=4, chunk_size=16, layer_norm_epsilon=1e-3, tie_word_embeddings=True)),
    "mamba2-groups": ("mamba2", "mamba2", dict(
        state_size=6, num_heads=8, head_dim=8, n_groups=2, conv_kernel=3, chunk_size=16, layer_norm_epsilon=1e-3, tie_word_embeddings=False)),
    "gpt2-scaled": ("gpt2", None, dict(
        n_embd=32, n_head=2, n_layer=3, n_positions=64, n_inner=None, activation_function="gelu", scale_attn_by_inverse_layer_idx=True)),
    "llama-relu": ("llama", None, dict(**rope("default"), hidden_act="relu", tie_word_embeddings=True)),
    # llama.cpp has one epsilon for all norms.
    "mamba-falcon": ("falcon_mamba", "mamba", dict(
        state_size=5, intermediate_size=64, time_step_rank=3, conv_kernel=4, layer_norm_epsilon=1e-3, mixer_rms_eps=1e-3, tie_word_embeddings=True)),
    # As Granite 4.0-H is published: experts beside a shared feed-forward, no positions.
    "granitemoehybrid": ("granitemoehybrid", "granitehybrid", dict(
        **HYBRID, head_dim=None, num_attention_heads=2, num_key_value_heads=1, intermediate_size=16, num_hidden_layers=6,
        mamba_n_groups=2, max_position_embeddings=4096,
        layer_types=["mamba", "mamba", "attention", "mamba", "mamba", "attention"], num_local_experts=4, num_experts_per_tok=2,
        shared_intermediate_size=24, position_embedding_type="nope", tie_word_embeddings=True)),
    # Without experts, with positions and biases; its last layer is recurrent.
    "granitemoehybrid-dense": ("granitemoehybrid", "granitehybrid", dict(
        **HYBRID, **rope("default"), head_dim=None, num_attention_heads=2, num_key_value_heads=2, num_hidden_layers=4, mamba_n_groups=1,
        layer_types=["attention", "mamba", "attention", "mamba"], num_local_experts=0, num_experts_per_tok=0, intermediate_size=24,
        shared_intermediate_size=24, position_embedding_type="rope", attention_bias=True, tie_word_embeddings=False)),
    "lfm2": ("lfm2", "lfm2", dict(
        **rope("default"), head_dim=None, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=5, max_position_embeddings=4096,
        intermediate_size=48, block_multiple_of=8, block_ffn_dim_multiplier=1.1, conv_L_cache=4, norm_eps=1e-3,
        layer_types=["conv", "full_attention", "conv", "full_attention", "conv"], tie_word_embeddings=True)),
    "lfm2_moe": ("lfm2_moe", "lfm2moe", dict(
        **rope("default"), head_dim=None, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=5, intermediate_size=48,
        moe_intermediate_size=16, num_experts=6, num_experts_per_tok=2, num_dense_layers=1, conv_L_cache=3, norm_eps=1e-3,
        layer_types=["conv", "conv", "full_attention", "conv", "full_attention"], tie_word_embeddings=True)),
    "qwen3_next": ("qwen3_next", "qwen3next", dict(
        **rope("default", partial_rotary_factor=0.5), head_dim=32, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=4,
        num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, shared_expert_intermediate_size=24, linear_conv_kernel_dim=3,
        linear_key_head_dim=8, linear_value_head_dim=6, linear_num_key_heads=2, linear_num_value_heads=4, full_attention_interval=2,
        max_position_embeddings=4096, tie_word_embeddings=False)),
    "nemotron_h": ("nemotron_h", "nemotron_h", dict(
        hybrid_override_pattern="M-M*-MM-*", num_attention_heads=2, num_key_value_heads=1, head_dim=16, intermediate_size=40,
        mamba_num_heads=4, mamba_head_dim=12, ssm_state_size=6, n_groups=2, conv_kernel=3, chunk_size=16, layer_norm_epsilon=1e-3,
        time_step_min=1e-9, max_position_embeddings=4096, tie_word_embeddings=False)),
    "gpt_oss": ("gpt_oss", "gpt-oss", GPT_OSS),
    # Other bounds than a GGUF has, the window in other layers, no biases of attention.
    "gpt_oss-limits": ("gpt_oss", None, {
        **GPT_OSS, **rope("default"), "num_hidden_layers": 2, "swiglu_alpha": 1.2, "swiglu_limit": 2.0, "attention_bias": False,
        "layer_types": ["full_attention", "sliding_attention"], "tie_word_embeddings": True}),
    # Experts in blocks of 32 numbers of 4 bits.
    "gpt_oss-mxfp4": ("gpt_oss", "gpt-oss", {**GPT_OSS, "num_hidden_layers": 2, "num_local_experts": 3}),
    # As GLM-4.5: heads normalised, experts of some groups alone.
    "glm4_moe": ("glm4_moe", "glm4moe", dict(
        **rope("default", partial_rotary_factor=0.5), head_dim=32, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=4,
        first_k_dense_replace=2, n_routed_experts=9, num_experts_per_tok=3, moe_intermediate_size=16, n_shared_experts=2, n_group=3,
        topk_group=2, routed_scaling_factor=1.5, use_qk_norm=True, attention_bias=True, max_position_embeddings=4096,
        num_nextn_predict_layers=1)),
    # As GLM-4.5-Air, but for gates that are not divided by their sum.
    "glm4_moe-air": ("glm4_moe", "glm4moe", dict(
        **rope("default", partial_rotary_factor=0.5), head_dim=32, num_attention_heads=2, num_key_value_heads=2, num_hidden_layers=2,
        first_k_dense_replace=1, n_routed_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, n_shared_experts=1,
        norm_topk_prob=False, num_nextn_predict_layers=0)),
    # As V2-Lite.
    "deepseek_v2": ("deepseek_v2", "deepseek2", dict(
        **rope("yarn", factor=4.0, original_max_position_embeddings=16, mscale=0.7, mscale_all_dim=0.7), **LATENT, q_lora_rank=None,
        num_hidden_layers=4, first_k_dense_replace=2, n_routed_experts=6, num_experts_per_tok=2, n_shared_experts=2, n_group=1, topk_group=1,
        routed_scaling_factor=1.5, rms_norm_eps=1e-6, max_position_embeddings=4096)),
    # As V2, with queries made of a latent and experts of some groups alone, and with biases.
    "deepseek_v2-groups": ("deepseek_v2", None, dict(
        **rope("yarn", factor=4.0, original_max_position_embeddings=16, mscale=1.0, mscale_all_dim=0.7), **LATENT, q_lora_rank=12,
        num_hidden_layers=2, first_k_dense_replace=1, n_routed_experts=6, num_experts_per_tok=3, n_shared_experts=1, n_group=3, topk_group=2,
        topk_method="group_limited_greedy", routed_scaling_factor=4.0, attention_bias=True)),
    # As V3, whose GGUFs have keys and values head by head.
    "deepseek_v3": ("deepseek_v3", "deepseek2", dict(
        **rope("yarn", factor=4.0, original_max_position_embeddings=16, mscale=1.0, mscale_all_dim=1.0), **LATENT, q_lora_rank=12,
        num_hidden_layers=4, first_k_dense_replace=2, n_routed_experts=9, num_experts_per_tok=3, n_shared_experts=1, n_group=3, topk_group=2,
        routed_scaling_factor=2.5, rms_norm_eps=1e-6, max_position_embeddings=4096)),
    # As EXAONE 4 32B is published, and as 1.2B is: without windows.
    "exaone4": ("exaone4", "exaone4", dict(
        **rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16),
        num_hidden_layers=6, num_attention_heads=2, num_key_value_heads=1, intermediate_size=24, max_position_embeddings=4096,
        sliding_window=7, sliding_window_pattern=3, tie_word_embeddings=False)),
    "exaone4-whole": ("exaone4", "exaone4", dict(
        **rope("llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16),
        layer_types=["full_attention"] * 2, sliding_window=None, sliding_window_pattern=None, tie_word_embeddings=True)),
    "cohere2": ("cohere2", "cohere2", dict(
        **rope("default"), head_dim=None, num_hidden_layers=8, num_attention_heads=2, num_key_value_heads=1, intermediate_size=24,
        max_position_embeddings=4096, layer_norm_eps=1e-3, logit_scale=0.7, sliding_window=9, tie_word_embeddings=True)),
    "gemma4": ("gemma4_text", "gemma4", dict(
        **GEMMA4, num_hidden_layers=6, layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 2)),
    # As 26B-A4B: experts beside each feed-forward.
    "gemma4-experts": ("gemma4_text", "gemma4", dict(
        {**GEMMA4, "intermediate_size": 16}, num_hidden_layers=4, layer_types=["sliding_attention", "full_attention"] * 2,
        enable_moe_block=True, num_experts=3, top_k_experts=2, moe_intermediate_size=8)),
    # With images, values of their own, and as many heads of keys in each layer.
    "gemma4-images": ("gemma4", None, dict(
        text_config=dict(
            {**GEMMA4, "attention_k_eq_v": False, "final_logit_softcapping": None},
            vocab_size=72, hidden_size=32, num_hidden_layers=3, rms_norm_eps=1e-3,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"]),
        vision_config=dict(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, head_dim=8,
            position_embedding_size=16),
        audio_config=None)),
    "qwen3_5": ("qwen3_5_text", "qwen35", dict(**QWEN3_5, tie_word_embeddings=True)),
    "qwen3_5_moe": ("qwen3_5_moe_text", "qwen35moe", dict(
        **QWEN3_5, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, shared_expert_intermediate_size=24,
        tie_word_embeddings=False)),
    "llama4": ("llama4_text", "llama4", dict(**LLAMA4, num_hidden_layers=8, num_experts_per_tok=1)),
    # Chunks and temperatures that show in a short text.
    "llama4-chunks": ("llama4_text", None, dict(
        **LLAMA4, num_hidden_layers=4, num_experts_per_tok=2, no_rope_layer_interval=2, attention_chunk_size=12, floor_scale=5, attn_scale=0.4)),
    # As Nemotron 3 Nano: every feed-forward is a mixture beside a shared one.
    "nemotron_h-experts": ("nemotron_h", "nemotron_h_moe", dict(
        hybrid_override_pattern="ME*EM*", num_attention_heads=2, num_key_value_heads=1, head_dim=16, intermediate_size=16,
        mamba_num_heads=4, mamba_head_dim=12, ssm_state_size=6, n_groups=2, conv_kernel=3, chunk_size=16, layer_norm_epsilon=1e-3,
        time_step_min=1e-9, max_position_embeddings=4096, tie_word_embeddings=False, n_routed_experts=5, num_experts_per_tok=2,
        moe_intermediate_size=16, moe_shared_expert_intermediate_size=24, n_shared_experts=1, routed_scaling_factor=2.5, n_group=1, topk_group=1,
        norm_topk_prob=True)),
    # As Falcon-H1 0.5B to 1.5B: no norm in the mixers. A GGUF's weights are multiplied, which is exact by powers of two.
    "falcon_h1": ("falcon_h1", "falcon-h1", dict(**FALCON_H1, num_hidden_layers=3, mamba_rms_norm=False, mamba_n_groups=1)),
    # As 34B: a norm by groups behind the gate. Keys have no multiplier, as in 90M.
    "falcon_h1-norm": ("falcon_h1", "falcon-h1", {
        **FALCON_H1, "num_hidden_layers": 2, "mamba_rms_norm": True, "mamba_norm_before_gate": False, "mamba_n_groups": 2,
        "key_multiplier": 1.0}),
    # A norm before the gate, biases, and multipliers that no power of two is; tied embeddings, as 90M has.
    "falcon_h1-before": ("falcon_h1", None, {
        **FALCON_H1, "num_hidden_layers": 2, "mamba_rms_norm": True, "mamba_norm_before_gate": True, "mamba_n_groups": 2, "mamba_d_ssm": None,
        "mamba_d_head": "auto", "mamba_expand": 2, "embedding_multiplier": 5.656854249492381, "lm_head_multiplier": 0.390625,
        "mlp_multipliers": [0.8838834764831844, 0.5859375], "key_multiplier": 0.39062499999999994, "attention_out_multiplier": 0.9375,
        "ssm_in_multiplier": 1.25, "ssm_multipliers": [0.3535533905932738, 0.25, 0.7, 0.5, 1.3], "ssm_out_multiplier": 0.23570226039551587,
        "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}),
    # As Gemma 4 E2B: inputs of each layer; the last half of the layers attend to the keys of others, and have wider feed-forwards.
    "gemma4-e2b": ("gemma4_text", "gemma4", {
        **GEMMA4, "num_hidden_layers": 8, "layer_types": ["sliding_attention", "full_attention"] * 4, "num_key_value_heads": 1,
        "attention_k_eq_v": False, "hidden_size_per_layer_input": 8, "num_kv_shared_layers": 4, "use_double_wide_mlp": True}),
    # As E4B, and no logits capped.
    "gemma4-e4b": ("gemma4_text", "gemma4", {
        **GEMMA4, "num_hidden_layers": 6, "layer_types": ["sliding_attention", "sliding_attention", "full_attention"] * 2,
        "num_global_key_value_heads": None, "attention_k_eq_v": False, "hidden_size_per_layer_input": 16, "num_kv_shared_layers": 3,
        "final_logit_softcapping": None}),
}  # fmt: skip


RECURRENT = ("mamba", "mamba2", "falcon_mamba")

# Models whose outputs have what is kept between tokens as `cache`; the others as `past_key_values`.
CACHED = (
    *RECURRENT, "granitemoehybrid", "lfm2", "lfm2_moe", "qwen3_next", "nemotron_h", "gemma4_text", "gemma4", "qwen3_5_text", "qwen3_5_moe_text",
    "llama4_text", "falcon_h1",
)  # fmt: skip

# Models whose norms are stored less one.
CENTRED = ("gemma2", "gemma3_text", "gemma3", "qwen3_next", "qwen3_5_text", "qwen3_5_moe_text")


def shared(model_type: str) -> dict:
    """The settings of COMMON that a model has."""
    if model_type in ("gemma3", "gemma4"):
        return {}
    tokens = ("vocab_size", "bos_token_id", "eos_token_id")
    if model_type == "gpt2":
        return {k: COMMON[k] for k in tokens}
    if model_type == "nemotron_h":
        return {k: COMMON[k] for k in (*tokens, "pad_token_id", "hidden_size")}
    if model_type in RECURRENT:
        return {k: COMMON[k] for k in (*tokens, "hidden_size", "num_hidden_layers")}
    if model_type == "cohere2":
        return {k: v for k, v in COMMON.items() if k != "rms_norm_eps"}
    return COMMON


def configuration(model_type: str, options: dict):
    base = shared(model_type)
    given = {k: v for k, v in {**base, **options}.items() if k not in ("head_dim", "num_attention_heads") or v is not None}
    attention = {} if model_type in RECURRENT else dict(attn_implementation="eager")
    return AutoConfig.for_model(model_type, **given, **attention)


@torch.no_grad()
def random_model(config, seed: int):
    """Weights large enough that attention is far from uniform: with the default 0.02 a wrong rotation would hardly show."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config).eval()
    for name, p in model.named_parameters():
        noise = torch.randn_like(p)
        if name.endswith("A_log"):
            # Decays from almost none to much, so that states differ in their memory.
            p.copy_(0.3 * noise)
        elif name.endswith(("dt_bias", "dt_proj.bias")):
            p.copy_(noise - 1)
        elif "conv1d.weight" in name:
            p.copy_(0.5 * noise)
        elif name.endswith("sinks") or "proj_bias" in name:
            p.copy_(noise)
        elif config.model_type == "gpt_oss" and ".experts." in name:
            # Gates and ups so large that some are beyond the limit.
            p.copy_((4 if "gate_up" in name else 0.2) * noise * p.shape[1] ** -0.5)
        elif config.model_type.startswith("gemma4") and name.endswith(("q_norm.weight", "k_norm.weight")):
            # Nothing else divides its scores.
            p.copy_(0.5 + 0.1 * noise)
        elif p.ndim == 1:
            centred = config.model_type in CENTRED and "linear_attn" not in name
            offset = 0.0 if "bias" in name or centred else 1.0
            p.copy_(offset + 0.2 * noise)
        else:
            fan = p.shape[0] if config.model_type == "gpt2" and "wte" not in name and "wpe" not in name else p.shape[-1]
            gain = 1.5 if any(part in name for part in ("q_proj", "k_proj", "qkv", "c_attn")) else 1.0
            p.copy_(0.4 * noise if any(part in name for part in ("embed", "wte", "wpe")) else gain * noise * fan**-0.5)
        p.copy_(p.half().float())
    for name, b in model.named_buffers():
        if name.endswith(("expert_bias", "e_score_correction_bias")):
            b.copy_((0.3 * torch.randn_like(b)).half().float())
        elif name.endswith("layer_scalar"):
            b.copy_((1 + 0.3 * torch.randn_like(b)).half().float())
    return model


@torch.no_grad()
def whole(model, ids: list[int]) -> torch.Tensor:
    return model(torch.tensor([ids]), use_cache=False).logits[0].float()


@torch.no_grad()
def stepwise(model, ids: list[int]) -> torch.Tensor:
    half = len(ids) // 2
    kept = "cache" if model.config.model_type in CACHED else "past_key_values"
    out = model(torch.tensor([ids[:half]]), use_cache=True)
    logits = [out.logits[0]]
    for token in ids[half:]:
        out = model(torch.tensor([[token]]), **{kept: out[kept]}, use_cache=True)
        logits.append(out.logits[0])
    return torch.cat(logits)


def check(what: str, a: torch.Tensor, b: torch.Tensor) -> None:
    worst = (a - b).abs().max().item()
    print(f"  {what}: {worst:.1e}")
    assert worst < 2e-5, what


def read(folder: Path):
    config = AutoConfig.from_pretrained(folder)
    attention = {} if config.model_type in RECURRENT else dict(attn_implementation="eager")
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **attention).eval()


def as_published(folder: Path) -> None:
    """Gemma 4's heads by kind of layer, as its files have them; transformers writes them layer by layer."""
    config = json.loads((folder / "config.json").read_text())
    text = config.get("text_config", config)
    by_layer = text.pop("per_layer_config", None)
    if by_layer is None:
        return
    far = by_layer[str(text["layer_types"].index("full_attention"))]
    text["global_head_dim"] = far["head_dim"]
    text["num_global_key_value_heads"] = far.get("num_key_value_heads")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def fixture(name: str, seed: int, out: Path) -> None:
    model_type, architecture, options = MODELS[name]
    print(name)
    model = random_model(configuration(model_type, dict(options)), seed)
    blocks = random_blocks(model, seed) if name.endswith("-mxfp4") else {}
    for parameter, tensors in blocks.items():
        model.get_parameter(parameter).data.copy_(dequantized(*tensors))
    ids = np.random.default_rng(seed).integers(3, COMMON["vocab_size"], TOKENS).tolist()
    logits = whole(model, ids)
    print(f"  logits: std {logits.std():.2f}")
    check("with a cache", stepwise(model, ids), logits)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    # A copy, as half() would round the rotary frequencies too.
    copy.deepcopy(model).half().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if blocks:
        store_blocks(folder, blocks)
    as_published(folder)
    check("from the folder", whole(read(folder), ids), logits)
    if architecture:
        write_gguf(model, architecture, folder / "model.gguf", blocks)
    packed = base64.b64encode(logits.numpy().astype("<f4").tobytes()).decode()
    reference = {"source": "tools/reference/architectures.py", "tokens": ids, "logits": packed}
    if blocks:
        reference["sha256"] = digests(blocks)
    (folder / "reference.json").write_text(json.dumps(reference) + "\n")


# How many of MODELS, from the first on, have their place as seed; later ones have one made of their name.
PLACED = 51


def seed_of(name: str) -> int:
    place = list(MODELS).index(name) + 1
    return place if place <= PLACED else crc32(name.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write the fixtures' folders to")
    parser.add_argument("names", nargs="*", help="which fixtures; all when none is named")
    args = parser.parse_args()
    for name in MODELS:
        if not args.names or name in args.names:
            fixture(name, seed_of(name), args.out)


if __name__ == "__main__":
    main()
