"""Write the fixtures of T5: tiny random models as they are published, and what transformers computes of a batch.

    python tools/reference/t5.py src/models/fixtures [NAME ...]

Each has a folder with `config.json` and `model.safetensors` (float16) as published checkpoints have them, and `seq2seq.json`: the ids of three
texts of different length, the encoder's hidden states of each by itself, the ids that the decoder is given for each, and its logits, each text by
itself (base64 of little-endian float32); texts and what greedy generation answers to them; and buckets of relative positions. The generator
checks that the texts as one padded batch give the same within 2e-5, and that the folder, loaded again, does. Some have `model.gguf` beside them, and the
encoder alone as `encoder.gguf`.
"""

import argparse
import base64
import copy
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoModelForSeq2SeqLM, PreTrainedTokenizerFast, T5Config, T5EncoderModel, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

from t5_gguf import write_gguf

LENGTHS = (9, 37, 22)
TARGET = 26
UNUSED = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
SIZES = dict(
    vocab_size=60, d_model=32, d_kv=24, d_ff=40, num_heads=3, relative_attention_num_buckets=12, relative_attention_max_distance=20,
    layer_norm_epsilon=1e-4, n_positions=64, decoder_start_token_id=0,
)  # fmt: skip
# The only value that a GGUF can store.
FAR = dict(relative_attention_max_distance=128)
MODELS = {
    # T5 1.0: the head is the embeddings, the feed-forward is plain.
    "t5": dict(SIZES, num_layers=2, num_decoder_layers=3, feed_forward_proj="relu", tie_word_embeddings=True),
    # T5 1.1 and Flan: the opposite of both.
    "t5-gated": dict({**SIZES, **FAR}, num_layers=3, num_decoder_layers=2, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    "t5-plain": dict({**SIZES, **FAR}, num_layers=1, num_decoder_layers=1, feed_forward_proj="relu", tie_word_embeddings=True),
}  # fmt: skip


@torch.no_grad()
def random_model(options: dict, seed: int) -> T5ForConditionalGeneration:
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(T5Config(**options, attn_implementation="eager")).eval()
    if not options["tie_word_embeddings"]:
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight))
    for name, p in model.named_parameters():
        noise = torch.randn_like(p)
        if p.ndim == 1:
            p.copy_(1.0 + 0.2 * noise)
        elif "relative" in name or "shared" in name:
            p.copy_(noise)
        else:
            # Scores have no divisor: queries are that much smaller.
            p.copy_((0.3 if ".q." in name else 1.2) * noise * p.shape[1] ** -0.5)
        p.copy_(p.half().float())
    return model


def pack(tensor: torch.Tensor) -> str:
    return base64.b64encode(tensor.contiguous().numpy().astype("<f4").tobytes()).decode()


@torch.no_grad()
def run(model, texts: list[list[int]], targets: list[list[int]]):
    longest = max(map(len, texts))
    ids = torch.tensor([t + [0] * (longest - len(t)) for t in texts])
    mask = torch.tensor([[1] * len(t) + [0] * (longest - len(t)) for t in texts])
    out = model(input_ids=ids, attention_mask=mask, decoder_input_ids=torch.tensor(targets), use_cache=False)
    return torch.cat([h[: len(t)] for h, t in zip(out.encoder_last_hidden_state, texts)]), out.logits


def buckets(options: dict) -> list[dict]:
    """Rows of the tables for distances -reach ... reach, for this model's numbers and for the usual ones."""
    own = (options["relative_attention_num_buckets"], options["relative_attention_max_distance"])
    bucket = lambda reach, *args: T5Attention._relative_position_bucket(torch.arange(-reach, reach + 1), *args, reach).tolist()
    return [{"buckets": count, "reach": reach, "bidirectional": both, "rows": bucket(reach, both, count)}
            for count, reach in (own, (32, 128)) for both in (True, False)]  # fmt: skip


def vocabulary(size: int) -> list[tuple[str, float]]:
    """Letters, and some words."""
    words = ["▁the", "▁an", "er", "▁in", "on", "▁re"]
    letters = ["▁", *"abcdefghijklmnopqrstuvwxyz", *"0123456789.,:;-!?'", "A", "B", "C", "D", "E", "F"]
    return [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((w, -3.0) for w in words), *((c, -5.0) for c in letters)][:size]


def tokenizer(size: int) -> PreTrainedTokenizerFast:
    """As T5 splits texts: a space is part of the word after it, and a text ends in `</s>`."""
    file = Tokenizer(models.Unigram(vocabulary(size), unk_id=2))
    file.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    file.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    file.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<pad>", "</s>", "<unk>")])
    file.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=file, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def answers(model, words: PreTrainedTokenizerFast) -> list[dict]:
    """What greedy generation answers to texts; its cache has as many layers as the encoder, which these decoders have not."""
    texts = ["translate the rest in an hour: on and on!", "summarize: it was raining, and the answer is 42."]
    found = []
    for text in texts:
        ids = words(text).input_ids
        answer = model.generate(torch.tensor([ids]), do_sample=False, num_beams=1, max_new_tokens=20, use_cache=False)[0, 1:]
        found.append({"text": text, "ids": ids, "answer": answer.tolist(), "decoded": words.decode(answer, skip_special_tokens=True)})
    return found


def save(model, options: dict, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    half = copy.deepcopy(model).half()
    half.save_pretrained(folder)
    # transformers 5 writes a tied head whatever was asked for, with a key of its own beside it; published configurations say it plainly.
    config = json.loads((folder / "config.json").read_text())
    config.pop("scale_decoder_outputs", None)
    config["tie_word_embeddings"] = options["tie_word_embeddings"]
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "generation_config.json").unlink(missing_ok=True)
    if options["tie_word_embeddings"]:
        # T5 1.0's checkpoints hold a table that no layer uses, which transformers passes over.
        file = folder / "model.safetensors"
        unused = torch.ones(options["relative_attention_num_buckets"], options["num_heads"]).half()
        save_file({**load_file(file), UNUSED: unused}, file, metadata={"format": "pt"})


@torch.no_grad()
def fixture(name: str, seed: int, out: Path) -> None:
    options = MODELS[name]
    model = random_model(options, seed)
    generator = torch.Generator().manual_seed(seed)
    draw = lambda n: torch.randint(2, options["vocab_size"], (n,), generator=generator).tolist()
    texts = [draw(n) for n in LENGTHS]
    targets = [[0, *draw(TARGET - 1)] for _ in texts]
    alone = [run(model, [t], [targets[i]]) for i, t in enumerate(texts)]
    hidden, logits = torch.cat([h for h, _ in alone]), torch.cat([l for _, l in alone])
    save(model, options, out / name)
    again = AutoModelForSeq2SeqLM.from_pretrained(out / name, dtype=torch.float32, attn_implementation="eager").eval()
    for kind, other in (("in a batch", run(model, texts, targets)), ("loaded again", run(again, texts, targets))):
        worst = max((hidden - other[0]).abs().max().item(), (logits - other[1]).abs().max().item())
        print(f"{name}: std {hidden.std():.2f} {logits.std():.2f}, alone against {kind} {worst:.1e}")
        assert worst < 2e-5
    words = tokenizer(options["vocab_size"])
    words.save_pretrained(out / name)
    if options["relative_attention_max_distance"] == 128:
        write_gguf(model, options["tie_word_embeddings"], vocabulary(options["vocab_size"]), out / name / "model.gguf")
        alone = T5EncoderModel.from_pretrained(out / name, dtype=torch.float32)
        write_gguf(alone, False, vocabulary(options["vocab_size"]), out / name / "encoder.gguf")
    reference = {"source": "tools/reference/t5.py", "texts": texts, "targets": targets, "answers": answers(model, words)}
    reference |= {"hidden": pack(hidden), "logits": pack(logits), "buckets": buckets(options)}
    (out / name / "seq2seq.json").write_text(json.dumps(reference) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write the fixtures' folders to")
    parser.add_argument("names", nargs="*", help="which; all when none is named")
    args = parser.parse_args()
    for seed, name in enumerate(MODELS, 1):
        if not args.names or name in args.names:
            fixture(name, seed, args.out)


if __name__ == "__main__":
    main()
