"""A T5, or its encoder alone, as llama.cpp's converter writes it. GGUF has no key for the greatest relative distance: it is 128."""

from pathlib import Path

import numpy as np
from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, GGUFWriter, TokenType, get_tensor_name_map


def add_sizes(w: GGUFWriter, c) -> None:
    assert c.relative_attention_max_distance == 128
    w.add_context_length(c.n_positions)
    w.add_embedding_length(c.d_model)
    w.add_feed_forward_length(c.d_ff)
    w.add_block_count(c.num_layers)
    if c.is_encoder_decoder:
        w.add_decoder_block_count(c.num_decoder_layers)
    w.add_head_count(c.num_heads)
    w.add_key_length(c.d_kv)
    w.add_value_length(c.d_kv)
    w.add_layer_norm_eps(c.layer_norm_epsilon)
    w.add_layer_norm_rms_eps(c.layer_norm_epsilon)
    w.add_relative_attn_buckets_count(c.relative_attention_num_buckets)
    if c.is_encoder_decoder:
        w.add_decoder_start_token_id(c.decoder_start_token_id)


def add_vocabulary(w: GGUFWriter, pieces: list[tuple[str, float]]) -> None:
    """Pieces with their scores, of which the first three are <pad>, </s> and <unk>."""
    w.add_tokenizer_model("t5")
    w.add_tokenizer_pre("default")
    w.add_token_list([piece for piece, _ in pieces])
    w.add_token_scores([score for _, score in pieces])
    w.add_token_types([TokenType.CONTROL, TokenType.CONTROL, TokenType.UNKNOWN, *[TokenType.NORMAL] * (len(pieces) - 3)])
    w.add_add_space_prefix(True)
    w.add_remove_extra_whitespaces(False)
    w.add_pad_token_id(0)
    w.add_eos_token_id(1)
    w.add_unk_token_id(2)
    w.add_add_bos_token(False)
    w.add_add_eos_token(True)


def write_gguf(model, tied: bool, pieces: list[tuple[str, float]], path: Path) -> None:
    c = model.config
    arch = MODEL_ARCH.T5 if c.is_encoder_decoder else MODEL_ARCH.T5ENCODER
    w = GGUFWriter(str(path), MODEL_ARCH_NAMES[arch])
    add_sizes(w, c)
    add_vocabulary(w, pieces)
    names = get_tensor_name_map(arch, max(c.num_layers, c.num_decoder_layers))
    for name, tensor in model.state_dict().items():
        if name.endswith("embed_tokens.weight") or (tied and name == "lm_head.weight"):
            continue
        canonical = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert canonical, name
        data = tensor.float().numpy()
        w.add_tensor(canonical, np.ascontiguousarray(data, dtype=np.float32 if data.ndim == 1 else np.float16))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
