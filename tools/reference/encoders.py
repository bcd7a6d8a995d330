"""Write the fixtures of the encoder architectures: tiny random models as they are published, and what transformers computes of a batch.

    python tools/reference/encoders.py src/models/fixtures [NAME ...]

Each architecture has two folders, a classifier (`bert`) and a masked language model (`bert-mlm`), each with `config.json` and
`model.safetensors` (float16) as `save_pretrained` writes them, and `encoder.json`: the ids of three texts of different length, their token
types, the last hidden states of each text by itself, and the scores or logits of the texts as one padded batch (base64 of little-endian
float32, the rows of padding left out). The generator checks that each text by itself gives the same within 2e-5. Beside the classifiers lies
`model.gguf`, as llama.cpp's converter writes them; XLM-R's would be RoBERTa's, and MPNet has none.
"""

import argparse
import base64
import copy
import json
from pathlib import Path

import torch
from gguf import PoolingType
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForSequenceClassification

from encoders_gguf import tiny_vocabulary, write_gguf

LENGTHS = (9, 21, 14)
BERT = dict(
    vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40, max_position_embeddings=32,
    layer_norm_eps=1e-4, num_labels=3, pad_token_id=0,
)  # fmt: skip
ROBERTA = {**BERT, "pad_token_id": 1, "type_vocab_size": 1, "max_position_embeddings": 34}

MODELS = {
    "bert": ("bert", {**BERT, "type_vocab_size": 2}),
    "distilbert": ("distilbert", dict(
        vocab_size=60, dim=32, n_layers=2, n_heads=2, hidden_dim=40, max_position_embeddings=32, num_labels=3, pad_token_id=0)),
    "roberta": ("roberta", ROBERTA),
    "xlm-roberta": ("xlm-roberta", {**ROBERTA, "num_labels": 1}),
    "modernbert": ("modernbert", dict(
        vocab_size=60, hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=24, max_position_embeddings=64,
        norm_eps=1e-4, num_labels=3, pad_token_id=0, local_attention=8, global_attn_every_n_layers=3, classifier_pooling="mean",
        cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2)),
    "nomicbert": ("nomic_bert", dict(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40, max_position_embeddings=32,
        type_vocab_size=2, layer_norm_eps=1e-4, num_labels=3, pad_token_id=0, rope_parameters={"rope_type": "default", "rope_theta": 500.0})),
    "mpnet": ("mpnet", ROBERTA),
}  # fmt: skip


@torch.no_grad()
def random_model(model, seed: int):
    torch.manual_seed(seed)
    for name, p in model.eval().named_parameters():
        noise = torch.randn_like(p)
        if p.ndim == 1:
            p.copy_((0.0 if "bias" in name else 1.0) + 0.2 * noise)
        else:
            p.copy_(0.5 * noise if "embed" in name else 1.4 * noise * p.shape[1] ** -0.5)
        p.copy_(p.half().float())
    return model


@torch.no_grad()
def run(model, texts: list[list[int]], types: list[list[int]] | None):
    """Scores or logits of the texts as one batch."""
    longest = max(map(len, texts))
    pad = model.config.pad_token_id
    ids = torch.tensor([t + [pad] * (longest - len(t)) for t in texts])
    mask = torch.tensor([[1] * len(t) + [0] * (longest - len(t)) for t in texts])
    more = {} if types is None else {"token_type_ids": torch.tensor([t + [0] * (longest - len(t)) for t in types])}
    return model(input_ids=ids, attention_mask=mask, **more).logits


def pack(tensor: torch.Tensor) -> str:
    return base64.b64encode(tensor.contiguous().numpy().astype("<f4").tobytes()).decode()


def unpadded(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x[i, :n] for i, n in enumerate(LENGTHS)])


@torch.no_grad()
def fixture(name: str, kind: str, factory, seed: int, out: Path) -> None:
    model_type, options = MODELS[name]
    config = AutoConfig.for_model(model_type, **options, attn_implementation="eager")
    model = random_model(factory.from_config(config), seed)
    generator = torch.Generator().manual_seed(seed)
    texts = [torch.randint(3, options["vocab_size"], (n,), generator=generator).tolist() for n in LENGTHS]
    types = [[int(t >= n // 2) for t in range(n)] for n in LENGTHS] if options.get("type_vocab_size", 0) > 1 else None
    base = model.base_model
    hidden = [base(input_ids=torch.tensor([t]), **({} if types is None else {"token_type_ids": torch.tensor([types[i]])}))
              .last_hidden_state[0] for i, t in enumerate(texts)]  # fmt: skip
    hidden = torch.cat(hidden)
    outputs = run(model, texts, types)
    single = [run(model, [t], types and [types[i]]) for i, t in enumerate(texts)]
    alone = torch.cat(single if kind == "classifier" else [logits[0] for logits in single])
    outputs = outputs if kind == "classifier" else unpadded(outputs)
    worst = (alone - outputs).abs().max().item()
    print(f"{name} {kind}: std {hidden.std():.2f} {outputs.std():.2f}, alone against in a batch {worst:.1e}")
    assert worst < 2e-5
    folder = out / (name if kind == "classifier" else f"{name}-mlm")
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).half().save_pretrained(folder)
    if kind == "classifier" and name not in ("xlm-roberta", "mpnet"):
        # The converter leaves poolers out, without which BERT's head is of no use.
        labels = [] if name in ("bert", "nomicbert") else [f"LABEL_{i}" for i in range(config.num_labels)]
        pooling = PoolingType.RANK if labels else PoolingType.CLS
        write_gguf(config, folder, folder / "model.gguf", labels, pooling, tiny_vocabulary(options["vocab_size"]))
    reference = {"source": "tools/reference/encoders.py", "texts": texts, **({} if types is None else {"types": types})}
    reference |= {"kind": kind, "hidden": pack(hidden), "outputs": pack(outputs)}
    (folder / "encoder.json").write_text(json.dumps(reference) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write the fixtures' folders to")
    parser.add_argument("names", nargs="*", help="which architectures; all when none is named")
    args = parser.parse_args()
    for seed, name in enumerate(MODELS, 1):
        if not args.names or name in args.names:
            fixture(name, "classifier", AutoModelForSequenceClassification, seed, args.out)
            fixture(name, "predictor", AutoModelForMaskedLM, seed + 100, args.out)


if __name__ == "__main__":
    main()
