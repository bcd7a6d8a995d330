"""Write fixtures of what encoders are used for: tiny random models with a tokenizer, as they are published, and the answers of the reference.

    python tools/reference/encoder_tasks.py src/engine/fixtures

A folder each, with `task.json` for the answers:

- `classifier`: BERT with three labels; the scores of texts and pairs by transformers' pipeline, and the logits;
- `cross-encoder`: BERT with one; the scores of a query's pairs by sentence-transformers' CrossEncoder, and the logits;
- `sentences`: DistilBERT with sentence-transformers' files (CLS pooling, not normalised, at most 12 tokens, lowercased, a default prompt);
  embeddings by its `encode`.
"""

import argparse
import json
from pathlib import Path

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForSequenceClassification, DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast, pipeline

TEXTS = [
    "The food was good and the staff were kind.",
    "I waited an hour for a cold soup!",
    "",
    "It is a restaurant.",
    "good " * 40,
    "The soup was good, the bread was old, and the staff were kind to all of us who had waited for an hour in the cold.",
]
PAIRS = [("Is the food good?", "The soup was good."), ("soup", "The staff were kind. " * 9), ("cold " * 30, "bread " * 20)]
QUERY = "How was the soup?"
SIZES = dict(vocab_size=400, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40, max_position_embeddings=48)


def tokenizer(lowercase: bool, **options) -> PreTrainedTokenizerFast:
    """WordPiece trained on the texts, padded to no more than SIZES has."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=SIZES["vocab_size"], special_tokens=special, show_progress=False)
    made.train_from_iterator([*TEXTS, *(t for pair in PAIRS for t in pair), QUERY], trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    roles = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=SIZES["max_position_embeddings"], **roles, **options)


@torch.no_grad()
def random_model(model, seed: int):
    torch.manual_seed(seed)
    for name, p in model.eval().named_parameters():
        p.copy_(((0.0 if "bias" in name else 1.0) + 0.2 * torch.randn_like(p) if p.ndim == 1 else 0.25 * torch.randn_like(p)).half().float())
    return model


def save(folder: Path, model, words, answers: dict) -> None:
    model.half().save_pretrained(folder)
    words.save_pretrained(folder)
    write(folder, answers)


def write(folder: Path, answers: dict) -> None:
    (folder / "task.json").write_text(json.dumps({"source": "tools/reference/encoder_tasks.py", **answers}, indent=1) + "\n")


@torch.no_grad()
def logits(model, words, readings) -> list[list[float]]:
    # Lists, since transformers ignores an empty second text that is no list.
    rows = [words(*([t] for t in ([r] if isinstance(r, str) else r)), truncation=True, return_tensors="pt") for r in readings]
    return [model(**row).logits[0].tolist() for row in rows]


def classifier(folder: Path) -> None:
    labels = dict(enumerate(["negative", "neutral", "positive"]))
    model = random_model(BertForSequenceClassification(BertConfig(**SIZES, id2label=labels)), 1)
    words = tokenizer(True, model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    classify = pipeline("text-classification", model=model, tokenizer=words, top_k=None, device="cpu", truncation=True)
    readings = [*TEXTS, *PAIRS]
    rows = [classify([t] if isinstance(t, str) else [{"text": t[0], "text_pair": t[1]}])[0] for t in readings]
    scores = [{s["label"]: s["score"] for s in row} for row in rows]
    save(folder, model, words, {"readings": readings, "scores": scores, "logits": logits(model, words, readings)})


def cross_encoder(folder: Path) -> None:
    model = random_model(BertForSequenceClassification(BertConfig(**SIZES, num_labels=1)), 2)
    words = tokenizer(True, model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    pairs = [(QUERY, text) for text in TEXTS]
    answers = {"query": QUERY, "texts": TEXTS, "logits": [row[0] for row in logits(model, words, pairs)]}
    save(folder, model, words, answers)
    own = CrossEncoder(str(folder), device="cpu")
    own.model.float()
    write(folder, {**answers, "scores": own.predict(pairs).tolist()})


def sentences(folder: Path) -> None:
    # Version 6; PyLate, for which late_interaction.py imports from here, needs version 5.
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    sizes = dict(vocab_size=400, dim=32, n_layers=2, n_heads=2, hidden_dim=40, max_position_embeddings=48)
    plain = folder / "plain"
    random_model(DistilBertModel(DistilBertConfig(**sizes)), 3).save_pretrained(plain)
    tokenizer(False, model_input_names=["input_ids", "attention_mask"]).save_pretrained(plain)
    transformer = Transformer(str(plain), max_seq_length=12, do_lower_case=True)
    modules = [transformer, Pooling(32, pooling_mode="cls")]
    model = SentenceTransformer(modules=modules, device="cpu", prompts={"query": "Good: "}, default_prompt_name="query")
    embeddings = [model.encode([text])[0].tolist() for text in TEXTS]
    model.half().save(str(folder), create_model_card=False)
    for file in plain.iterdir():
        file.unlink()
    plain.rmdir()
    write(folder, {"texts": TEXTS, "embeddings": embeddings})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write the fixtures' folders to")
    out = parser.parse_args().out
    for name, make in {"classifier": classifier, "cross-encoder": cross_encoder, "sentences": sentences}.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        make(out / name)


if __name__ == "__main__":
    main()
