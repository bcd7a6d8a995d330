"""Ranking losses, order by letters, repair of rankings, and windows by rank_llm's own code.

    python tools/reference/authors/first.py FOLDER COMMIT     (castorini/rank_llm)

Losses come through its training's `compute_ranking_loss`, from logits of a tiny vocabulary of letters. Its model servers, retrieval and
clean-up of texts are stand-ins and not called. `ListwiseRankLLM`'s window loop runs with a model that writes nothing.
"""

import asyncio
from types import SimpleNamespace

import torch
from common import arguments, numbers, stand_in, sys, write

FOLDER, COMMIT = arguments()
sys.path.insert(0, str(FOLDER / "src"))
sys.path.insert(0, str(FOLDER / "training"))
stand_in("vllm", "pyserini", "dacite", "ftfy", "openai", "transformers", "datasets", "tiktoken", "google", "anthropic", "dotenv", "fastchat", "accelerate")

from utils.loss import listNet  # noqa: E402
from utils.train_utils import compute_ranking_loss  # noqa: E402

from rank_llm.data import Candidate, Query, Result  # noqa: E402
from rank_llm.rerank.listwise.listwise_rankllm import ListwiseRankLLM  # noqa: E402
from rank_llm.rerank.listwise.rank_listwise_os_llm import RankListwiseOSLLM  # noqa: E402

TOKENIZER = SimpleNamespace(convert_tokens_to_ids=lambda letter: ord(letter) - ord("A"))


def losses(seed: int, count: int) -> dict:
    """Losses and their gradients by the letters' logits; ranks are a permutation, the best 0."""
    ranks = numbers(seed + 50, count).argsort().argsort()
    results = {}
    for name, loss, weighted in (("weighted-ranknet", "ranknet", True), ("ranknet", "ranknet", False), ("listnet", "listnet", False)):
        logits = (3 * numbers(seed, 1, 1, 26)).requires_grad_()
        args = SimpleNamespace(ranking_loss=loss, weighted=weighted)
        value = compute_ranking_loss(SimpleNamespace(logits=logits), [ranks.tolist()], [0], TOKENIZER, args, "cpu")
        value.backward()
        results[name] = {"loss": value.item(), "gradient": logits.grad[0, 0, :count]}
    scores = (3 * numbers(seed, 1, 26))[:, :count].clone().requires_grad_()
    value = listNet(scores, -(ranks + 0.5)[None])  # a target of -1 would be padding
    value.backward()
    results["listnet of ranks"] = {"loss": value.item(), "gradient": scores.grad[0]}
    return {"seed": seed, "count": count, "ranks": (ranks + 1).tolist(), "losses": results}


def order(seed: int, count: int) -> dict:
    """The ranking of a window's letters by their log-probabilities."""
    reranker = SimpleNamespace(_use_alpha=True, _window_size=count)
    logprobs = numbers(seed, 26)
    logits = {i: SimpleNamespace(decoded_token=chr(65 + i), logprob=value) for i, value in enumerate(logprobs.tolist())}
    ranking, _ = RankListwiseOSLLM._evaluate_logits(reranker, logits, (1, count))
    return {"seed": seed, "count": count, "ranking": ranking}


class Silent(ListwiseRankLLM):
    """Asks no model."""


Silent.__abstractmethods__ = frozenset()


def reranker(stride: int = 10, window: int = 20):
    one = object.__new__(Silent)
    one._use_alpha, one._stride, one._window_size, one._batch_size = True, stride, window, 1
    return one


def repair(text: str, count: int) -> dict:
    result = Result(query=Query(text="q", qid=1), candidates=[Candidate(docid=i, score=0.0, doc={}) for i in range(count)])
    done = reranker().receive_permutation(result, text, 0, count)
    return {"text": text, "count": count, "order": [one.docid for one in done.candidates]}


def windows(count: int, stride: int, window: int, start: int, end: int) -> dict:
    seen = []
    one = reranker(stride, window)

    async def silent(prompt, size):
        return "", 0

    one.create_prompt = lambda result, s, e: (seen.append([s, e]), ("", 0))[1]
    one.run_llm_async = silent
    one._apply_llm_output_to_result = lambda result, *_: result
    result = SimpleNamespace(query=None, candidates=[None] * count)
    asyncio.run(one._sliding_windows_batched_async([result], start, end, 100, isolate_llm_slots=True))
    return {"count": count, "stride": stride, "windowSize": window, "rankStart": start, "rankEnd": end, "windows": seen}


write(
    "src/pipelines/first/fixtures/authors.json",
    "castorini/rank_llm",
    COMMIT,
    orders=[order(1, 20), order(2, 7), order(3, 26)],
    repairs=[
        repair(text, count)
        for text, count in (
            ("[C] > [A] > [B]", 3),
            ("[B] > [B] > [D]", 5),
            ("[Z]>[E]>[A]", 5),
            ("", 4),
        )
    ],
    unclosed=repair("[D] > [C", 4),
    windows=[windows(*of) for of in ((100, 10, 20, 0, 100), (50, 10, 20, 0, 100), (35, 10, 20, 0, 100), (25, 10, 20, 0, 100), (20, 10, 20, 0, 100), (15, 10, 20, 0, 100), (40, 5, 15, 8, 33), (30, 3, 7, 2, 29))],
)
write("src/train/methods/first/fixtures/authors.json", "castorini/rank_llm", COMMIT, cases=[losses(seed, count) for seed, count in ((1, 20), (2, 5), (3, 2))])
