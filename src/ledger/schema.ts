/** Marks the file as ours among SQLite databases: "MODI" in ASCII. */
export const APPLICATION_ID = 0x4d4f4449;
/** Counts up with every change to the tables; kept in the file as `user_version`. */
export const SCHEMA_VERSION = 1;

const from = (path: string, type: "TEXT" | "INTEGER" | "REAL"): string =>
  `${type} NOT NULL GENERATED ALWAYS AS (receipt ->> '$.${path}') STORED`;

/** The receipt itself is the one thing written; the columns are drawn from it by the database, for filtering and summing. */
export const CREATE = `
CREATE TABLE receipts (
  receipt TEXT NOT NULL,
  id ${from("id", "TEXT")},
  created ${from("created", "TEXT")},
  model ${from("model", "TEXT")},
  prompt ${from("tokens.prompt", "INTEGER")},
  cached ${from("tokens.cached", "INTEGER")},
  completion ${from("tokens.completion", "INTEGER")},
  flops_dense ${from("flops.dense", "REAL")},
  flops_spent ${from("flops.spent", "REAL")},
  flops_overhead ${from("flops.overhead", "REAL")},
  bytes_dense ${from("bytes.dense", "REAL")},
  bytes_spent ${from("bytes.spent", "REAL")},
  ms_load ${from("ms.load", "REAL")},
  ms_prefill ${from("ms.prefill", "REAL")},
  ms_decode ${from("ms.decode", "REAL")},
  ms_total ${from("ms.total", "REAL")},
  estimated ${from("estimated", "INTEGER")}
) STRICT;
CREATE UNIQUE INDEX receipts_id ON receipts (id);
CREATE INDEX receipts_created ON receipts (created);
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${SCHEMA_VERSION};`;
