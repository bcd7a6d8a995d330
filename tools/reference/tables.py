"""Write small tables by pyarrow in every form that Hugging Face data sets come in, and what is in them as JSON lines.

    python tools/reference/tables.py src/util/data/fixtures
"""

import argparse
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = [
    {
        "question": f"Which is number {i}? “{'é' * i}”" if i != 3 else "",
        "choices": {"text": [f"choice {j}" for j in range(i % 4)], "label": list("ABCD")[: i % 4]},
        "answer": None if i == 5 else i * (2**40 if i == 7 else 1),
        "small": i - 4,
        "weight": i / 4,
        "right": i % 3 == 0,
        "lengths": [i, i + 1],
    }
    for i in range(10)
]

SCHEMA = pa.schema(
    [
        ("question", pa.string()),
        ("choices", pa.struct([("text", pa.list_(pa.string())), ("label", pa.list_(pa.string()))])),
        ("answer", pa.int64()),
        ("small", pa.int32()),
        ("weight", pa.float64()),
        ("right", pa.bool_()),
        ("lengths", pa.list_(pa.int64())),
    ]
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    table = pa.Table.from_pylist(ROWS, SCHEMA)
    # In batches of three, as a large data set is.
    with pa.ipc.new_stream(out / "stream.arrow", SCHEMA) as stream:
        stream.write_table(table, max_chunksize=3)
    with pa.ipc.new_file(out / "file.arrow", SCHEMA) as file:
        file.write_table(table, max_chunksize=3)
    for name in ("snappy", "zstd", "gzip", "brotli"):
        pq.write_table(table, out / f"{name}.parquet", compression=name, row_group_size=4)
    (out / "rows.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS))


if __name__ == "__main__":
    main()
