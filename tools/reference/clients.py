"""The official Python clients against a server: `python clients.py URL KEY`. Prints a line for each check, and fails at the first that does not hold.

The server offers smollm2, sentences (of embeddings) and ranker (a cross-encoder), has one row and no queue, and takes KEY alone.
"""

import base64
import math
import struct
import sys

import cohere
import openai

URL, KEY = sys.argv[1:]
client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
QUESTION = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "Name the capital of Japan."}],
    "temperature": 0,
    "max_tokens": 30,
}
TEXTS = ["A man is eating food.", "b", "The food is good."]


def chat():
    answer = client.chat.completions.create(**QUESTION)
    assert "Tokyo" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model_extra["receipt"]["tokens"]["completion"] == answer.usage.completion_tokens


def stream():
    whole = client.chat.completions.create(**QUESTION)
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(**QUESTION, stream=True, stream_options=options))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert "receipt" in chunks[-1].model_extra


def models():
    # Recipes that somebody registered on this machine are listed, too.
    assert [m.id for m in client.models.list() if "@" not in m.id] == ["smollm2", "sentences", "ranker"]
    assert client.models.retrieve("ranker").id == "ranker"


def embeddings():
    # The client asks for base64 by itself; the server's own base64 is read here.
    floats = client.embeddings.create(model="sentences", input=TEXTS, encoding_format="float").data
    default = client.embeddings.create(model="sentences", input=TEXTS).data
    packed = client.embeddings.create(model="sentences", input=TEXTS, encoding_format="base64").data
    for plain, usual, coded in zip(floats, default, packed, strict=True):
        raw = base64.b64decode(coded.embedding)
        numbers = struct.unpack(f"<{len(raw) // 4}f", raw)
        for other in (usual.embedding, numbers):
            assert len(other) == len(plain.embedding)
            assert all(math.isclose(a, b, abs_tol=1e-5) for a, b in zip(plain.embedding, other, strict=True))


def responses():
    asked = {"model": "smollm2", "input": "Name the capital of Japan.", "temperature": 0, "max_output_tokens": 30}
    whole = client.responses.create(**asked)
    assert "Tokyo" in whole.output_text and whole.status == "completed"
    assert whole.model_extra["receipt"]["tokens"]["completion"] == whole.usage.output_tokens
    with client.responses.stream(**asked) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert text == whole.output_text == stream.get_final_response().output_text


def raises(kind, status, call):
    try:
        call()
    except kind as error:
        assert error.status_code == status, error
        return error
    raise AssertionError(f"no {kind.__name__}")


def errors():
    create = client.chat.completions.create
    missing = raises(openai.NotFoundError, 404, lambda: create(**{**QUESTION, "model": "smolm2"}))
    assert missing.code == "model_not_found" and missing.param == "model"
    assert 'did you mean "smollm2"' in missing.message
    raises(openai.BadRequestError, 400, lambda: create(**{**QUESTION, "temperature": 9}))
    respond = client.responses.create
    stored = raises(openai.BadRequestError, 400, lambda: respond(model="smollm2", input="x", store=True))
    assert stored.param == "store"
    raises(openai.BadRequestError, 400, lambda: create(**{**QUESTION, "messages": []}, stream=True))
    stranger = openai.OpenAI(base_url=f"{URL}/v1", api_key="mk-wrong", max_retries=0)
    raises(openai.AuthenticationError, 401, lambda: stranger.chat.completions.create(**QUESTION))


def rate_limit():
    long = {**QUESTION, "messages": [{"role": "user", "content": "Tell a long story."}], "max_tokens": 400}
    with client.chat.completions.create(**long, stream=True) as running:
        next(iter(running))
        error = raises(openai.RateLimitError, 429, lambda: client.chat.completions.create(**QUESTION))
        assert int(error.response.headers["retry-after"]) >= 1


def ranks(answer, version):
    scores = [r.relevance_score for r in answer.results]
    assert len(scores) == 2 and scores == sorted(scores, reverse=True)
    assert answer.meta.api_version.version == version


def rerank_v1():
    asked = {"model": "ranker", "query": "food", "top_n": 2}
    first = cohere.Client(KEY, base_url=URL)
    ranks(first.rerank(**asked, documents=TEXTS), "1")
    back = first.rerank(**asked, documents=[{"text": t} for t in TEXTS], return_documents=True)
    ranks(back, "1")
    assert all(r.document.text == TEXTS[r.index] for r in back.results)


def rerank_v2():
    ranks(cohere.ClientV2(KEY, base_url=URL).rerank(model="ranker", query="food", top_n=2, documents=TEXTS), "2")


def vectors():
    return [d.embedding for d in client.embeddings.create(model="sentences", input=TEXTS).data]


def same(got):
    for one, other in zip(got, vectors(), strict=True):
        assert all(math.isclose(a, b, abs_tol=1e-5) for a, b in zip(one, other, strict=True))


def embed_v1():
    first = cohere.Client(KEY, base_url=URL)
    asked = {"model": "sentences", "texts": TEXTS, "input_type": "search_document"}
    answer = first.embed(**asked)
    same(answer.embeddings)
    assert answer.texts == TEXTS and answer.meta.api_version.version == "1"
    same(first.embed(**asked, embedding_types=["float"]).embeddings.float_)


def embed_v2():
    second = cohere.ClientV2(KEY, base_url=URL)
    asked = {"model": "sentences", "texts": TEXTS, "input_type": "search_query"}
    answer = second.embed(**asked, embedding_types=["float", "base64"])
    same(answer.embeddings.float_)
    packed = [base64.b64decode(each) for each in answer.embeddings.base64]
    same([struct.unpack(f"<{len(raw) // 4}f", raw) for raw in packed])
    assert answer.meta.billed_units.input_tokens > len(TEXTS)
    refused = raises(cohere.BadRequestError, 400, lambda: second.embed(**asked, embedding_types=["int8"]))
    assert "embedding_types.0: " in str(refused.body)


for check in (
    chat,
    stream,
    responses,
    models,
    embeddings,
    errors,
    rate_limit,
    rerank_v1,
    rerank_v2,
    embed_v1,
    embed_v2,
):
    check()
    print(check.__name__)
