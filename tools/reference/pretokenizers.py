"""Write how the pre-tokenizers that GGUF knows by name cut the texts of texts.json into words.

    python tools/reference/pretokenizers.py src/weights/tokenizer/fixtures

By Hugging Face's tokenizers, of the components and patterns in the tokenizer.json files of the models that the names are after. The fixture has, of
each name and text, the length of every word in bytes.
"""

import argparse
import gzip
import json
from pathlib import Path

from tokenizers import Regex, normalizers
from tokenizers.pre_tokenizers import ByteLevel, Digits, Punctuation, Sequence, Split

LETTERS = r"[^\r\n\p{L}\p{N}]?"
CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
BREAKS = r"\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
DEEPSEEK3 = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|""" + BREAKS
)


def cased(digits: str, ending: str) -> str:
    return f"{LETTERS}{UPPER}*{LOWER}+{ending}|{LETTERS}{UPPER}+{LOWER}*{ending}|{digits}" + r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + BREAKS


def tiktoken(digits: str) -> str:
    return f"{CONTRACTION}|{LETTERS}" + r"\p{L}+|" + digits + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|" + BREAKS


def split(*patterns: str) -> Sequence:
    cuts = [Split(Regex(p), "isolated") for p in patterns]
    return Sequence([*cuts, ByteLevel(add_prefix_space=False, use_regex=False)])


GPT2 = ByteLevel(add_prefix_space=False)
DIGITS = Digits(individual_digits=True)
NFC = normalizers.NFC()
PRETOKENIZERS = {
    "gpt-2": (None, GPT2),
    "olmo": (NFC, GPT2),
    "starcoder": (None, Sequence([DIGITS, GPT2])),
    "command-r": (NFC, Sequence([DIGITS, GPT2])),
    "qwen2": (NFC, split(tiktoken(r"\p{N}"))),
    "stablelm2": (None, split(tiktoken(r"\p{N}"))),
    "llama-bpe": (None, split(tiktoken(r"\p{N}{1,3}"))),
    "glm4": (None, split(tiktoken(r"\p{N}{1,3}"))),
    "gpt-4o": (None, split(cased(r"\p{N}{1,3}", CONTRACTION + "?"))),
    "tekken": (None, split(cased(r"\p{N}", ""))),
    "falcon": (None, Sequence([Punctuation("contiguous"), GPT2, Split(Regex("[0-9][0-9][0-9]"), "isolated")])),
    "bloom": (None, split(BLOOM)),
    "viking": (None, Sequence([Split(Regex(BLOOM), "isolated"), DIGITS, ByteLevel(add_prefix_space=False, use_regex=False)])),
    "bailingmoe": (None, split(
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")),
    "seed-coder": (None, split(f"{CONTRACTION}|{LETTERS}" + r"\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|" + BREAKS)),
    "deepseek-coder": (None, Sequence([
        *(Split(Regex(p), "isolated") for p in (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+")),
        DIGITS, ByteLevel(add_prefix_space=False, use_regex=False)])),
    "deepseek-v3": (None, split(r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+", DEEPSEEK3)),
}  # fmt: skip


def words(normalizer, pretokenizer, text: str) -> list[int]:
    text = normalizer.normalize_str(text) if normalizer else text
    # Each character of a word is one byte.
    return [len(word) for word, _ in pretokenizer.pre_tokenize_str(text)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    texts = json.loads((args.out / "texts.json").read_text())
    found = {name: [words(*parts, t) for t in texts] for name, parts in PRETOKENIZERS.items()}
    path = args.out / "pretokenizers.json.gz"
    path.write_bytes(gzip.compress(json.dumps(found, separators=(",", ":")).encode(), 9, mtime=0))
    print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
