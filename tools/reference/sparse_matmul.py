"""Compare ONNX Runtime's product of a sparse matrix with its dense one, one thread, milliseconds of the processor.

    python tools/reference/sparse_matmul.py research/sparse/results/sparse-matmul.json

Needs numpy, onnx and onnxruntime. The weights, 2048 x 512, are the sparse operand of com.microsoft's SparseToDenseMatMul, which takes a
sparse tensor as an input and no initializer.
"""

import json
import sys
import time

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

ROWS, COLUMNS, TOKENS, ROUNDS = 2048, 512, 64, 7


def session(sparse: bool) -> ort.InferenceSession:
    value = helper.make_sparse_tensor_value_info if sparse else helper.make_tensor_value_info
    weights = value("w", TensorProto.FLOAT, [ROWS, COLUMNS])
    tokens = helper.make_tensor_value_info("x", TensorProto.FLOAT, [COLUMNS, TOKENS])
    product = helper.make_tensor_value_info("y", TensorProto.FLOAT, [ROWS, TOKENS])
    node = (
        helper.make_node("SparseToDenseMatMul", ["w", "x"], ["y"], domain="com.microsoft")
        if sparse
        else helper.make_node("MatMul", ["w", "x"], ["y"])
    )
    graph = helper.make_graph([node], "product", [weights, tokens], [product])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def csr(weights: np.ndarray) -> ort.OrtValue:
    rows, columns = np.nonzero(weights)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=ROWS))]).astype(np.int64)
    device = ort.OrtDevice.make("cpu", 0)
    shape = np.array([ROWS, COLUMNS], np.int64)
    tensor = ort.SparseTensor.sparse_csr_from_numpy(
        shape, weights[rows, columns], columns.astype(np.int64), starts, device
    )
    return ort.OrtValue.ort_value_from_sparse_tensor(tensor)


def milliseconds(run) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        run()
        times.append(1000 * (time.process_time() - start))
    return float(np.median(times[2:]))


def main(out: str) -> None:
    random = np.random.default_rng(0)
    weights = random.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    tokens = ort.OrtValue.ortvalue_from_numpy(random.standard_normal((COLUMNS, TOKENS)).astype(np.float32))
    dense, sparse = session(False), session(True)
    all_weights = ort.OrtValue.ortvalue_from_numpy(weights)
    expected = dense.run_with_ort_values(None, {"w": all_weights, "x": tokens})[0].numpy()
    result = {"onnxruntime": ort.__version__, "dense_ms": milliseconds(
        lambda: dense.run_with_ort_values(None, {"w": all_weights, "x": tokens})
    ), "sparse_ms": {}}
    for sparsity in [0.0, 0.8, 0.95]:
        left = np.where(random.random(weights.shape) >= sparsity, weights, 0)
        given = {"w": csr(left), "x": tokens}
        product = sparse.run_with_ort_values(None, given)[0].numpy()
        if sparsity == 0:
            assert np.allclose(product, expected, atol=1e-3)
        result["sparse_ms"][str(sparsity)] = milliseconds(lambda: sparse.run_with_ort_values(None, given))
    with open(out, "w") as file:
        json.dump(result, file, indent=2)
        file.write("\n")
    print(json.dumps(result))


main(sys.argv[1])
