"""Scores of labels by word vectors, of counted keywords and of plain texts, by QZero's own code.

    python tools/reference/authors/qzero.py FOLDER COMMIT     (rsinghlab/QZERO)

`QZero_Word_Model` and `Word_Model` of `Models.py` run over vectors of `numbers`. They return a label alone, so the dictionary in which they sum
its scores is caught. Its indexes and its taggers are not run.
"""

from collections import defaultdict

import numpy as np
from common import arguments, functions, numbers, write

FOLDER, COMMIT = arguments()
WORDS, WIDTH, LABELS = 30, 16, 5
caught = []


class Caught(defaultdict):
    def __init__(self, make):
        super().__init__(make)
        caught.append(self)


NAMES = ["average_vector_representation", "cosine_similarity", "QZero_Word_Model", "Word_Model"]
# The file defines the cosine once more, for other vectors; the two are the same.
code = functions(FOLDER / "Models.py", NAMES, {"np": np, "norm": np.linalg.norm, "defaultdict": Caught})


def name(i: int) -> str:
    return f"zx{chr(97 + i // 26)}{chr(97 + i % 26)}"


vectors = {name(i): vector for i, vector in enumerate(numbers(61, WORDS, WIDTH).double().numpy())}
labels = {i: [name(WORDS - 1 - i)] for i in range(LABELS)}


def keywords(seed: int, count: int) -> dict:
    found = ((numbers(seed, count) + 1) / 2 * (WORDS - LABELS)).int().tolist()
    counts = {name(i): found.count(i) for i in dict.fromkeys(found)}
    caught.clear()
    best = code["QZero_Word_Model"](list(counts.items()), labels, vectors)
    return {"words": [name(i) for i in found], "best": best, "scores": dict(caught[-1])}


def plain(seed: int, count: int) -> dict:
    words = [name(int(i)) for i in (numbers(seed, count) + 1) / 2 * (WORDS - LABELS)]
    caught.clear()
    best = code["Word_Model"](" ".join(words), labels, vectors)
    known = sum(words.count(word) for word in words)
    return {"text": " ".join(words), "known": known, "best": best, "scores": dict(caught[-1])}


write(
    "src/pipelines/qzero/fixtures/authors.json",
    "rsinghlab/QZERO",
    COMMIT,
    words=WORDS,
    width=WIDTH,
    keywords=[keywords(62, 20), keywords(63, 7)],
    texts=[plain(64, 9), plain(65, 4)],
)
