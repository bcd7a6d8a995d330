"""Write the metrics' fixture: texts, likelihoods, rankings and scores, and what the standard implementations make of them.

    python tools/reference/metrics.py src/lab/metrics/fixtures/reference.json

Needs lm_eval (lm-evaluation-harness 0.4), sacrebleu, rouge-score, torchmetrics (SQuAD v1.1's evaluation), rapidfuzz, pytrec-eval-terrier
(trec_eval), scikit-learn and scipy. The texts are this project's own; answers are texts with words dropped, swapped, put in or changed.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pytrec_eval
import sacrebleu
from lm_eval.api.metrics import bits_per_byte, exact_match_hf_evaluate, perplexity
from lm_eval.api.metrics import weighted_perplexity
from lm_eval.api.task import ConfigurableTask, TaskConfig
from lm_eval.filters.extraction import RegexFilter
from rapidfuzz.distance import Levenshtein
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from scipy.stats import bootstrap
from sklearn.metrics import roc_auc_score
from torchmetrics.functional.text import squad

SENTENCES = [
    "The ferry leaves the old harbour at 7:45 a.m., unless the wind is above 60 km/h.",
    "An owl's hearing is so exact that it hunts in complete darkness.",
    "She paid $1,250.50 for a second-hand bicycle — and a bell.",
    "Water boils at 100 °C at sea level; on a mountain it boils sooner.",
    "“Nothing”, he said, “is as slow as a queue that doesn't move.”",
    "Größere Städte haben längere Straßen, naïve Übersetzer haben's schwer.",
    "if (x < 3 && y > 4) return a[i] + b[j]; // the inner loop",
    "The the the cat, a cat; an The anthem of another theatre.",
    "We measured 3.14, 2,718 and 1.5e-3 in the U.S.A. in 1999-2001.",
    "Tom &amp; Jerry said &quot;no&quot; to the 4-day week",
    "наука и техника 21 века",
    "no punctuation at all here just plain words in a row that goes on and on and on",
]
EXTRA = [
    ("", ["nothing"]),
    ("nothing", [""]),
    ("", [""]),
    ("the", ["a"]),
    ("Paris.", ["paris", "the city of Paris"]),
    ("It is the city of  Paris,\nFrance", ["Paris", "city of Paris"]),
    ("42", ["42", "forty-two"]),
    ("same", ["same", "same"]),
    ("été à l'étranger", ["Été à l’étranger", "summer abroad"]),
    ("the_end an-other", ["end other", "theend another"]),
]


def changed(sentence: str, rng: np.random.Generator) -> str:
    words = sentence.split(" ")
    for _ in range(rng.integers(1, 5)):
        i = int(rng.integers(len(words)))
        match rng.integers(4):
            case 0 if len(words) > 1:
                words.pop(i)
            case 1:
                words.insert(i, str(rng.choice(["the", "very", "12", "a"])))
            case 2 if i + 1 < len(words):
                words[i], words[i + 1] = words[i + 1], words[i]
            case _:
                words[i] = words[i].upper() + str(rng.choice(["", "!", "s"]))
    return " ".join(words)


def texts(rng: np.random.Generator) -> dict:
    pairs = [(changed(s, rng), [changed(s, rng), s][: 1 + i % 2]) for i, s in enumerate(SENTENCES * 2)] + EXTRA
    rouge = RougeScorer(["rougeL"])
    rows = []
    for text, answers in pairs:
        score = squad(
            [{"prediction_text": text, "id": "0"}],
            [{"answers": {"text": answers, "answer_start": [0] * len(answers)}, "id": "0"}],
        )
        rows.append(
            {
                "text": text,
                "answers": answers,
                "exact": float(score["exact_match"]) / 100,
                "f1": float(score["f1"]) / 100,
                "rougeL": max(rouge.score(answer, text)["rougeL"].fmeasure for answer in answers),
                "edit": max(Levenshtein.normalized_similarity(text, answer) for answer in answers),
                "tokens13a": Tokenizer13a()(text).split(),
            }
        )
    return {"texts": rows, "bleu": [bleu(pairs[a:b], a, b) for a, b in [(0, 24), (0, 34), (3, 4), (24, 34), (24, 25), (31, 32)]]}


def bleu(pairs: list, start: int, end: int) -> dict:
    most = max(len(answers) for _, answers in pairs)
    references = [[answers[i] if i < len(answers) else None for _, answers in pairs] for i in range(most)]
    score = sacrebleu.corpus_bleu([text for text, _ in pairs], references, use_effective_order=False)
    return {"from": start, "to": end, "score": score.score / 100}


GSM8K = [
    ("She has 3 + 4 = 7 apples. The answer is 7.", "3 + 4 = <<3+4=7>>7\n#### 7"),
    ("The answer is $1,250.", "#### 1250"),
    ("so 12 - 5 = 7, not 8", "#### 7"),
    ("#### -3", "#### -3"),
    ("He owes -$15", "#### -15"),
    ("I do not know", "#### 5"),
    ("", "#### 0"),
    ("1,000,000", "#### 1000000"),
    ("0.5", "#### 0.5"),
    ("50% of 8 is 4", "#### 4"),
    ("Answer: 18\n\n", "#### 18"),
]


def numbers() -> list:
    """Flexible-extract and exact match as in the task's file, lm_eval/tasks/gsm8k/gsm8k.yaml."""
    extract = RegexFilter(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", group_select=-1)
    rows = []
    for text, answer in GSM8K:
        [[given]] = extract.apply([[text]], [{}])
        score = exact_match_hf_evaluate([given], [answer], [",", "\\$", "(?s).*#### ", "\\.$"], ignore_case=True)
        rows.append({"text": text, "answer": answer, "match": float(score["exact_match"])})
    return rows


def choices(rng: np.random.Generator) -> list:
    task = object.__new__(ConfigurableTask)
    task.OUTPUT_TYPE, task.multiple_input, task.multiple_target = "multiple_choice", 0, 0
    task._metric_fn_list = {"acc": None, "acc_norm": None}
    task._config = TaskConfig(task="choices")
    task.doc_to_choice, task.doc_to_target = lambda doc: doc["choices"], lambda doc: doc["gold"]
    rows = []
    for i in range(24):
        words = rng.permutation(SENTENCES[i % 12].split(" "))
        options = [" ".join(words[a:b]) for a, b in [(0, 1), (1, 4), (2, 7), (0, 8)]][: 2 + i % 3]
        lls = np.round([-(len(o) ** rng.uniform(0.7, 1.1)) for o in options], 3)
        if i % 7 == 0:
            lls[1] = lls[0]
        gold = int(rng.integers(len(options)))
        got = task.process_results({"choices": options, "gold": gold}, [(ll, False) for ll in lls])
        rows.append({"choices": options, "logLikelihoods": lls.tolist(), "gold": gold, **got})
    return rows


def likelihoods(rng: np.random.Generator) -> dict:
    lls = np.round(-rng.gamma(2, 1.5, 20), 4).tolist()
    lines = [SENTENCES[i % 12] * (1 + i % 3) for i in range(20)]
    tokens = [len(line.split(" ")) + 1 for line in lines]
    sizes = [len(line.encode()) for line in lines]
    long = [ll * n for ll, n in zip(lls, tokens)]
    return {
        "logLikelihoods": lls,
        "perplexityOfContinuation": perplexity(lls),
        "texts": lines,
        "tokens": tokens,
        "textLogLikelihoods": long,
        "perplexity": weighted_perplexity(list(zip(long, tokens))),
        "bitsPerByte": bits_per_byte(list(zip(long, sizes))),
    }


def ranking(rng: np.random.Generator) -> list:
    rows = []
    for q in range(16):
        ids = [f"d{i}" for i in range(40)]
        judged = rng.permutation(ids)[: int(rng.integers(1, 15))]
        relevance = {d: int(rng.integers(-1, 5)) for d in judged} if q else {"d1": 0}
        order = rng.permutation(ids)[: [40, 7, 25, 1][q % 4]].tolist()
        run = {"q": {d: float(-i) for i, d in enumerate(order)}}
        cuts = {"ndcg_cut_1", "ndcg_cut_10", "ndcg_cut_100", "recip_rank"}
        got = pytrec_eval.RelevanceEvaluator({"q": relevance}, cuts).evaluate(run)["q"]
        rows.append({"relevance": relevance, "order": order, **got})
    return rows


def areas(rng: np.random.Generator) -> list:
    rows = []
    for n, digits in [(2, 3), (30, 3), (60, 1), (50, 0)]:
        positive = rng.permutation([True] * (n // 2) + [False] * (n - n // 2))
        scores = np.round(rng.normal(positive * 0.8), digits)
        rows.append({"scores": scores.tolist(), "positive": positive.tolist(), "auroc": roc_auc_score(positive, scores)})
    return rows


def intervals(rng: np.random.Generator) -> list:
    """95 % percentile intervals of 20,000 resamples; the paired ones resample both runs together."""
    n = 200
    right = (rng.random((2, n)) < [[0.7], [0.6]]).astype(float)
    nats, tokens = rng.gamma(2, 20, n).round(3), rng.integers(5, 60, n).astype(float)
    other = (nats * rng.normal(1.02, 0.05, n)).round(3)
    ratio = lambda a, b, axis: np.exp(a.sum(axis) / b.sum(axis))  # noqa: E731
    cases = {
        "mean": ((right[0],), lambda a, axis: a.mean(axis)),
        "delta of means": ((right[0], right[1]), lambda a, b, axis: a.mean(axis) - b.mean(axis)),
        "perplexity": ((nats, tokens), ratio),
        "delta of perplexities": ((other, nats, tokens), lambda a, b, t, axis: ratio(a, t, axis) - ratio(b, t, axis)),
    }
    rows = []
    for name, (data, statistic) in cases.items():
        got = bootstrap(data, statistic, paired=len(data) > 1, vectorized=True, n_resamples=20000, method="percentile", rng=5)
        low, high = got.confidence_interval
        rows.append({"name": name, "data": [d.tolist() for d in data], "low": low, "high": high, "error": got.standard_error})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    rng = np.random.default_rng(11)
    fixture = {
        **texts(rng),
        "numbers": numbers(),
        "choices": choices(rng),
        "likelihoods": likelihoods(rng),
        "ranking": ranking(rng),
        "auroc": areas(rng),
        "intervals": intervals(rng),
    }
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps(fixture, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
