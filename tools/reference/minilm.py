"""Write the fixture of MiniLM or MPNet: what sentence-transformers makes of texts.

    python tools/reference/minilm.py MODEL src/engine/fixtures/minilm.json

MODEL is the folder of all-MiniLM-L6-v2 or all-mpnet-base-v2 (`modicum pull minilm`, `modicum show minilm` tells where). The file holds `texts` and
`embeddings`: base64 of little-endian float32, 384 or 768 a text, each text encoded by itself. `repeat` says how often a text is repeated, for those that are cut.
"""

import argparse
import base64
import json
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

TEXTS = [
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "The girl is carrying a baby.",
    "How do I reset the password of my account?",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG",
    "def add(a, b):\n    return a + b  # the sum",
    "Naïve café résumé, façade, Ångström, Straße",
    "",
    "   ",
    ".",
    "a",
    "你好，世界",
    "東京は日本の首都です。",
    "서울은 대한민국의 수도이다.",
    "Привет, как дела?",
    "مرحبا بالعالم",
    "I am so happy 😀🎉👩‍👩‍👧 today ❤️",
    "3.14159 × 10^23 ≈ ∞, 50 % of €1,234.56",
    "supercalifragilisticexpialidocious antidisestablishmentarianism " + "x" * 120,
    "Tabs\tand\r\nline\u2028breaks\u00a0and zero\u200bwidth",
]

def long_texts(most: int) -> list[tuple[str, int]]:
    """`most`: tokens that the model reads, with those that begin and end a text."""
    return [("The sea was calm, and the ship went on. ", 60), ("word ", most - 2), ("word ", most - 1), ("你好", 300)]



def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path, help="file to write")
    args = parser.parse_args()
    model = SentenceTransformer(str(args.model), device="cpu")
    long = long_texts(model.max_seq_length)
    texts = [{"text": text, "repeat": 1} for text in TEXTS] + [{"text": text, "repeat": n} for text, n in long]
    embeddings = np.concatenate([model.encode([t["text"] * t["repeat"]]) for t in texts])
    packed = base64.b64encode(embeddings.astype("<f4").tobytes()).decode()
    fixture = {"source": "tools/reference/minilm.py", "texts": texts, "embeddings": packed}
    args.out.write_text(json.dumps(fixture, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
