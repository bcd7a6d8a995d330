"""Write fixtures of models of embeddings with a decoder's body: tiny random ones as they are published, and their vectors by sentence-transformers.

    python tools/reference/embedders.py src/engine/fixtures

Needs `pip install sentence-transformers` (6) beside tools/reference/train.txt. A folder each, with `task.json`:

- `embeddinggemma`: Gemma 3 whose tokens see those after them, in a window that half of lies to each side in five of six layers; the mean of the
  tokens, two linear layers, length 1; prompts by task;
- `embeddinggemma-gguf`: as `model.gguf` alone, as llama.cpp's converter writes it (`gemma-embedding`): linear layers without biases and activations, and
  no prompts, which are those of the published model;
- `qwen3-embedding`: Qwen3, whose last token is the vector, of length 1; a prompt for queries; also as `model.gguf`, which has no prompts.

Settings are away from their defaults, so that one that is not read shows; the longest text is longer than the window.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from architectures_gguf import add_rope, tensor_data
from encoder_tasks import TEXTS, random_model, tokenizer
from encoders_gguf import wordpiece
from gguf import MODEL_ARCH, GGUFWriter, PoolingType, get_tensor_name_map
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from transformers import Gemma3TextConfig, Gemma3TextModel, Qwen3Config, Qwen3Model

SIZES = dict(
    vocab_size=400, hidden_size=32, num_attention_heads=4, num_key_value_heads=2, head_dim=16, intermediate_size=40, max_position_embeddings=64,
    rms_norm_eps=1e-4, pad_token_id=0, bos_token_id=2, eos_token_id=3,
)  # fmt: skip
READ = [text for text in TEXTS if text]


def write(folder: Path, body, modules, prompts: dict[str, str]) -> None:
    plain = folder / "plain"
    body.save_pretrained(plain)
    tokenizer(True, model_input_names=["input_ids", "attention_mask"]).save_pretrained(plain)
    model = SentenceTransformer(modules=[Transformer(str(plain), max_seq_length=40), *modules], device="cpu", prompts=prompts)
    for nth, module in enumerate(modules):
        if isinstance(module, Dense):
            random_model(module, 30 + nth)
    vectors = {name: [model.encode([text], prompt_name=name or None)[0].tolist() for text in READ] for name in ["", *prompts]}
    model.half().save(str(folder), create_model_card=False)
    for file in plain.iterdir():
        file.unlink()
    plain.rmdir()
    task = {"source": "tools/reference/embedders.py", "texts": READ, "vectors": vectors}
    (folder / "task.json").write_text(json.dumps(task, indent=1) + "\n")


def embeddinggemma(folder: Path) -> None:
    config = Gemma3TextConfig(
        **SIZES, num_hidden_layers=7, sliding_window=6, use_bidirectional_attention=True, query_pre_attn_scalar=24, attn_implementation="eager"
    )
    modules = [
        Pooling(32, pooling_mode="mean"),
        Dense(32, 48, bias=False, activation_function=torch.nn.Identity()),
        Dense(48, 20, bias=True, activation_function=torch.nn.Tanh()),
        Normalize(),
    ]
    prompts = {"query": "task: good | query: ", "document": "title: none | text: "}
    write(folder, random_model(Gemma3TextModel(config), 21), modules, prompts)


def embeddinggemma_gguf(folder: Path) -> None:
    """Attention's scale is not in a GGUF; llama.cpp takes the head's size."""
    config = Gemma3TextConfig(
        **SIZES, num_hidden_layers=7, sliding_window=6, use_bidirectional_attention=True, query_pre_attn_scalar=16, attn_implementation="eager"
    )
    dense = [Dense(32, 48, bias=False, activation_function=torch.nn.Identity()), Dense(48, 20, bias=False, activation_function=torch.nn.Identity())]
    prompts = {"query": "task: search result | query: ", "document": "title: none | text: ", "STS": "task: sentence similarity | query: "}
    body = random_model(Gemma3TextModel(config), 23)
    write(folder, body, [Pooling(32, pooling_mode="mean"), *dense, Normalize()], prompts)
    heads = {f"dense_{2 + nth}": module.linear.weight.detach() for nth, module in enumerate(dense)}
    write_gguf(folder, body, "gemma-embedding", PoolingType.MEAN, heads)
    for entry in folder.iterdir():
        if entry.name in ("model.gguf", "task.json"):
            continue
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def qwen3_embedding(folder: Path) -> None:
    config = Qwen3Config(**SIZES, num_hidden_layers=3, rope_theta=5000.0, attn_implementation="eager")
    modules = [Pooling(32, pooling_mode="lasttoken"), Normalize()]
    body = random_model(Qwen3Model(config), 22)
    write(folder, body, modules, {"query": "Good soup: ", "document": ""})
    write_gguf(folder, body, "qwen3", PoolingType.LAST)


ARCHITECTURES = {"qwen3": MODEL_ARCH.QWEN3, "gemma-embedding": MODEL_ARCH.GEMMA_EMBEDDING}


def write_gguf(folder: Path, body, architecture: str, pooling: PoolingType, heads: dict[str, torch.Tensor] = {}) -> None:
    """As llama.cpp's converter writes it, with the pooling of sentence-transformers' files."""
    c = body.config
    w = GGUFWriter(str(folder / "model.gguf"), architecture)
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_key_length(c.head_dim)
    w.add_value_length(c.head_dim)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_vocab_size(c.vocab_size)
    w.add_pooling_type(pooling)
    if architecture == "gemma-embedding":
        w.add_rope_freq_base(c.rope_parameters["full_attention"]["rope_theta"])
        # The configuration's own number; the class halves it.
        w.add_sliding_window(6)
        for name, weight in heads.items():
            w.add_dense_features_dims(name, weight.shape[1], weight.shape[0])
            w.add_tensor(f"{name}.weight", np.ascontiguousarray(weight.float().numpy(), dtype=np.float16))
    else:
        add_rope(w, body, c.head_dim)
    wordpiece(folder)(w)
    names = get_tensor_name_map(ARCHITECTURES[architecture], c.num_hidden_layers)
    for name, tensor in body.state_dict().items():
        w.add_tensor(names.get_name(f"model.{name}", try_suffixes=(".weight", ".bias")), np.ascontiguousarray(tensor_data(name, tensor, body, "gemma3" if architecture == "gemma-embedding" else architecture)))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", help="models; default: all")
    args = parser.parse_args()
    out = args.out
    makers = {"embeddinggemma": embeddinggemma, "embeddinggemma-gguf": embeddinggemma_gguf, "qwen3-embedding": qwen3_embedding}
    for name, make in makers.items():
        if args.names and name not in args.names:
            continue
        (out / name).mkdir(parents=True, exist_ok=True)
        make(out / name)


main()
