"""Write fixtures of the other kinds of tokenizer.json: small tokenizers trained here, and the ids of the texts in texts.json.

    python tools/reference/tokenizer_trained.py src/weights/tokenizer/fixtures

They are built as those published with T5, XLM-RoBERTa, RoBERTa, Mistral and cased BERT are, in components that no model of tokenizer_models.py has.
"""

import argparse
import gzip
import io
import json
import logging
import random
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def charsmap(texts) -> bytes:
    """SentencePiece's NMT-NFKC normalisation, compiled."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(t for t in texts if t.strip()), model_writer=model, vocab_size=1500, character_coverage=0.98,
        normalization_rule_name="nmt_nfkc", hard_vocab_limit=False, minloglevel=2, num_threads=1,
    )
    parsed = proto.ModelProto.FromString(model.getvalue())
    return parsed.normalizer_spec.precompiled_charsmap


def trained(model, trainer, texts, **parts) -> Tokenizer:
    tokenizer = Tokenizer(model)
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def framed(tokenizer, single, pair):
    names = {"<s>", "</s>", "[CLS]", "[SEP]"}
    special = [(n, tokenizer.token_to_id(n)) for n in names if n in single]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=special)
    return tokenizer


def tokenizers(texts):
    unigram = lambda special: trainers.UnigramTrainer(vocab_size=900, special_tokens=special, unk_token="<unk>", show_progress=False)  # noqa: E731
    bpe = lambda special: trainers.BpeTrainer(vocab_size=1100, special_tokens=special, show_progress=False)  # noqa: E731
    pre = normalizers.Precompiled(charsmap(texts))
    meta = dict(pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace())
    t5 = trained(models.Unigram(), unigram(["<pad>", "</s>", "<unk>"]), texts, normalizer=pre, **meta)
    yield "t5", framed(t5, "$A </s>", "$A </s> $B </s>")
    both = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    squeezed = normalizers.Sequence([pre, normalizers.Replace(Regex(" {2,}"), " ")])
    xlmr = trained(models.Unigram(), unigram(["<s>", "<pad>", "</s>", "<unk>"]), texts, normalizer=squeezed, pre_tokenizer=both, decoder=decoders.Metaspace())
    xlmr.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    yield "xlm-roberta", framed(xlmr, "<s> $A </s>", "<s> $A </s> </s> $B </s>")
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    roberta = trained(models.BPE(), bpe(special), texts, pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True), decoder=decoders.ByteLevel())
    roberta.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    roberta.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    yield "roberta", roberta
    first = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    fallback = models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    small = trainers.BpeTrainer(vocab_size=1100, special_tokens=["<unk>", "<s>", "</s>"] + BYTES, limit_alphabet=120, show_progress=False)
    mistral = trained(fallback, small, [w for t in texts for w in t.replace(" ", " ▁").split(" ")], pre_tokenizer=first, decoder=decoder)
    # The trainer makes the bytes special, which they are not.
    mistral = json.loads(mistral.to_str())
    mistral["added_tokens"] = [token for token in mistral["added_tokens"] if token["content"] not in BYTES]
    mistral = Tokenizer.from_str(json.dumps(mistral))
    mistral.add_tokens([AddedToken("<div>", normalized=False), AddedToken("return", normalized=True, single_word=False)])
    yield "mistral", framed(mistral, "<s> $A", "<s> $A <s> $B")
    pieces = trainers.WordPieceTrainer(vocab_size=1500, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], limit_alphabet=400, show_progress=False)
    bert = dict(normalizer=normalizers.BertNormalizer(lowercase=False), pre_tokenizer=pre_tokenizers.BertPreTokenizer(), decoder=decoders.WordPiece())
    yield "bert-cased", framed(trained(models.WordPiece(unk_token="[UNK]"), pieces, texts, **bert), "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")
    odd = pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(), pre_tokenizers.Split(Regex("[aeiou]+"), "merged_with_previous"),
        pre_tokenizers.Split("-", "merged_with_next"), pre_tokenizers.Split(Regex(r"\s"), "removed"), pre_tokenizers.Whitespace(),
    ])
    norm = normalizers.Sequence([normalizers.Strip(), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Prepend("_")])
    yield "odd", trained(models.BPE(unk_token="<unk>"), trainers.BpeTrainer(vocab_size=700, special_tokens=["<unk>"], limit_alphabet=200, show_progress=False), texts, normalizer=norm, pre_tokenizer=odd)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    texts = json.loads((args.out / "texts.json").read_text())
    (args.out / "models").mkdir(exist_ok=True)
    prose = [t.__doc__ or "" for t in (json, random, argparse, gzip, io, logging)] * 2
    for name, tokenizer in tokenizers(texts + prose):
        tokenizer.encode_special_tokens = True
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        pairs = list(zip(texts[8:60:10], texts[9:60:10]))
        inputs = [{"text": t, "pair": None, "ids": (e := tokenizer.encode(t)).ids, "types": e.type_ids} for t in texts[:40:4]]
        inputs += [{"text": a, "pair": b, "ids": (e := tokenizer.encode(a, b)).ids, "types": e.type_ids} for a, b in pairs]
        random.seed(5)
        used = sorted({i for row in ids for i in row})
        draws = [[random.choice(used) for _ in range(12)] for _ in range(40)]
        decoded = [{"ids": d, "text": text} for d in draws if "\ufffd" not in (text := tokenizer.decode(d))]
        row = {"tokenizer": json.loads(tokenizer.to_str()), "config": {}, "ids": ids, "inputs": inputs, "decoded": decoded, "chats": []}
        path = args.out / "models" / f"trained-{name}.json.gz"
        path.write_bytes(gzip.compress(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode(), 9, mtime=0))
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
