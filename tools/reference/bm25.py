"""Fixtures of BM25 by the Python package bm25s, in the house's variant: idf ln(1 + (N - df + 1/2) / (df + 1/2)), times k1 + 1.

    pip install bm25s==0.3.16
    python tools/reference/bm25.py                 # src/retrieval/fixtures/bm25s.json: random terms
    npx tsx tools/reference/cranfield-terms.ts FOLDER > /tmp/terms.json
    python tools/reference/bm25.py /tmp/terms.json # src/retrieval/fixtures/cranfield-bm25s.json: top 10 of each query
"""

import json
import random
import sys

import bm25s

K1, B = 1.2, 0.75


def model(documents):
    retriever = bm25s.BM25(method="lucene", k1=K1, b=B, dtype="float64")
    retriever.index(documents, show_progress=False)
    return retriever


def ranked(retriever, terms, top):
    scores = retriever.get_scores(terms)
    # The earlier of two equal documents comes first.
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:top]
    order = [i for i in order if scores[i] > 0]
    return order, [float(scores[i]) * (K1 + 1) for i in order]


def made():
    draw = random.Random(7)
    words = [f"w{i}" for i in range(60)]
    weights = [1 / (i + 1) for i in range(60)]
    documents = [draw.choices(words, weights, k=draw.randint(1, 30)) for _ in range(50)]
    retriever = model(documents)
    queries = []
    for _ in range(12):
        terms = draw.choices(words, k=draw.randint(1, 6))
        order, scores = ranked(retriever, terms, 20)
        queries.append({"terms": terms, "order": order, "scores": scores})
    return {"documents": documents, "queries": queries}


def cranfield(path):
    with open(path) as file:
        given = json.load(file)
    retriever = model(given["documents"])
    return [ranked(retriever, terms, 10)[0] for terms in given["queries"]]


if len(sys.argv) > 1:
    target, result = "cranfield-bm25s.json", cranfield(sys.argv[1])
else:
    target, result = "bm25s.json", made()
with open(f"src/retrieval/fixtures/{target}", "w") as file:
    json.dump(result, file, separators=(",", ":"))
    file.write("\n")
