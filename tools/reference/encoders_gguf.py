"""An encoder as llama.cpp's converter writes it: BERT, RoBERTa and DistilBERT all as `bert`, ModernBERT as `modern-bert`, Nomic BERT as `nomic-bert`.

    python tools/reference/encoders_gguf.py FOLDER FILE.gguf

converts a Hugging Face folder (its tokenizer must be WordPiece) without a head, in float32: for comparing the two formats.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, GGUFWriter, PoolingType, RopeScalingType, TokenType, get_tensor_name_map
from safetensors.torch import load_file

from architectures_gguf import add_vocabulary

ARCHITECTURES = {"bert": "bert", "distilbert": "bert", "roberta": "bert", "xlm-roberta": "bert", "modernbert": "modern-bert", "nomic_bert": "nomic-bert"}
POOLINGS = {"pooling_mode_mean_tokens": PoolingType.MEAN, "pooling_mode_cls_token": PoolingType.CLS, "pooling_mode_lasttoken": PoolingType.LAST}


def position_offset(c) -> int:
    """RoBERTa's positions begin after the padding's id; the converter leaves the rows before out."""
    return c.pad_token_id + 1 if c.model_type in ("roberta", "xlm-roberta") else 0


def add_sizes(w: GGUFWriter, c) -> None:
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(c.max_position_embeddings - position_offset(c))
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.hidden_dim if c.model_type == "distilbert" else c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_layer_norm_eps(1e-12 if c.model_type == "distilbert" else getattr(c, "layer_norm_eps", None) or c.norm_eps)
    w.add_causal_attention(False)
    if c.model_type == "nomic_bert":
        w.add_rope_freq_base(c.rope_parameters["rope_theta"])
    if c.model_type == "modernbert":
        w.add_sliding_window(c.local_attention)
        w.add_sliding_window_pattern(c.global_attn_every_n_layers)
        w.add_rope_freq_base(c.rope_parameters["full_attention"]["rope_theta"])
        w.add_rope_freq_base_swa(c.rope_parameters["sliding_attention"]["rope_theta"])
        w.add_rope_scaling_type(RopeScalingType.NONE)
    else:
        w.add_token_type_count(getattr(c, "type_vocab_size", 1))


def published(name: str, labelled: bool) -> str | None:
    """The name that the converter's table knows; None for what it leaves out."""
    for prefix in ("distilbert.", "roberta.", "nomic_bert.", "bert.", "model."):
        name = name.removeprefix(prefix)
    if name.startswith(("pooler.", "cls.", "lm_head.", "vocab_", "decoder.")) or name == "embeddings.position_ids":
        return None
    if name in ("classifier.weight", "classifier.bias"):
        return name.replace("classifier", "classifier.out_proj") if labelled else None
    return name


def write_gguf(c, folder: Path, path: Path, labels: list[str], pooling: PoolingType | None, vocabulary) -> None:
    """`labels`: of the head, none of a model without; `vocabulary` adds the tokenizer to the writer."""
    architecture = ARCHITECTURES[c.model_type]
    w = GGUFWriter(str(path), architecture)
    add_sizes(w, c)
    if pooling is not None:
        w.add_pooling_type(pooling)
    if labels:
        w.add_classifier_output_labels(labels)
    vocabulary(w)
    kind = next(k for k in MODEL_ARCH if MODEL_ARCH_NAMES[k] == architecture)
    names = get_tensor_name_map(kind, c.num_hidden_layers)
    for name, tensor in load_file(folder / "model.safetensors").items():
        if (name := published(name, bool(labels))) is None:
            continue
        canonical = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert canonical, name
        data = tensor.float().numpy()
        if name == "embeddings.position_embeddings.weight":
            data = data[position_offset(c) :]
        half = data.ndim > 1 and tensor.dtype == torch.float16
        w.add_tensor(canonical, np.ascontiguousarray(data, dtype=np.float16 if half else np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def tiny_vocabulary(size: int):
    return lambda w: add_vocabulary(w, size)


def wordpiece(folder: Path):
    """A token that begins a word is written with ▁, one that goes on without ##."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    special = {t["id"]: t["content"] for t in tokenizer["added_tokens"] if t["special"]}
    vocab = sorted(tokenizer["model"]["vocab"].items(), key=lambda pair: pair[1])
    phantom = lambda t, i: t if i in special else t[2:] if t.startswith("##") else "\u2581" + t  # noqa: E731
    ids = {content: i for i, content in special.items()}

    def add(w: GGUFWriter) -> None:
        w.add_tokenizer_model("bert")
        w.add_tokenizer_pre("default")
        w.add_token_list([phantom(t, i) for t, i in vocab])
        w.add_token_types([TokenType.CONTROL if i in special else TokenType.NORMAL for _, i in vocab])
        w.add_unk_token_id(ids["[UNK]"])
        w.add_sep_token_id(ids["[SEP]"])
        w.add_pad_token_id(ids["[PAD]"])
        w.add_mask_token_id(ids["[MASK]"])
        w.add_bos_token_id(ids["[CLS]"])
        w.add_eos_token_id(ids["[SEP]"])

    return add


def pooling_of(folder: Path) -> PoolingType | None:
    config = folder / "1_Pooling" / "config.json"
    if not config.exists():
        return None
    settings = json.loads(config.read_text())
    return next((kind for key, kind in POOLINGS.items() if settings.get(key)), None)


def main() -> None:
    from transformers import AutoConfig

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    write_gguf(AutoConfig.from_pretrained(args.folder), args.folder, args.file, [], pooling_of(args.folder), wordpiece(args.folder))


if __name__ == "__main__":
    main()
