type Kind = "text" | "whole" | "real" | "flag";

/** Columns that the database derives from each receipt, for filtering and summing: name, place in the receipt, type. */
const columns: readonly (readonly [name: string, path: string, kind: Kind])[] = [
  ["id", "id", "text"],
  ["created", "created", "text"],
  ["model", "model", "text"],
  ["prompt", "tokens.prompt", "whole"],
  ["cached", "tokens.cached", "whole"],
  ["completion", "tokens.completion", "whole"],
  ["flops_dense", "flops.dense", "real"],
  ["flops_spent", "flops.spent", "real"],
  ["flops_overhead", "flops.overhead", "real"],
  ["bytes_dense", "bytes.dense", "real"],
  ["bytes_spent", "bytes.spent", "real"],
  ["ms_load", "ms.load", "real"],
  ["ms_prefill", "ms.prefill", "real"],
  ["ms_decode", "ms.decode", "real"],
  ["ms_total", "ms.total", "real"],
  ["estimated", "estimated", "flag"],
];

/** Columns added in SQLite's version 3 and Postgres's version 2. Older receipts lack these fields; they count as 0. */
const times = [
  ["ms_queue", "ms.queue"],
  ["ms_encode", "ms.encode"],
] as const;

const drawn = (expression: (path: string, kind: Kind) => string): string =>
  columns.map(([name, path, kind]) => `${name} ${expression(path, kind)}`).join(",\n  ");

/** Marks the file as ours among SQLite databases: "MODI" in ASCII. */
export const APPLICATION_ID = 0x4d4f4449;

const sqliteTypes: Readonly<Record<Kind, string>> = { text: "TEXT", whole: "INTEGER", real: "REAL", flag: "INTEGER" };

/**
 * Migrations of an SQLite ledger, in order; the version is the number of migrations applied. Every column except the
 * receipt itself is generated.
 */
export const sqliteSteps: readonly string[] = [
  `CREATE TABLE receipts (
  receipt TEXT NOT NULL,
  ${drawn((path, kind) => `${sqliteTypes[kind]} NOT NULL GENERATED ALWAYS AS (receipt ->> '$.${path}') STORED`)}
) STRICT;
CREATE UNIQUE INDEX receipts_id ON receipts (id);
CREATE INDEX receipts_created ON receipts (created);
PRAGMA application_id = ${APPLICATION_ID};`,
  // SQLite cannot add a stored column to a table.
  `ALTER TABLE receipts ADD COLUMN key TEXT GENERATED ALWAYS AS (receipt ->> '$.key') VIRTUAL;
CREATE INDEX receipts_key ON receipts (key, created);`,
  times
    .map(([name, path]) => {
      const value = `coalesce(receipt ->> '$.${path}', 0.0)`;
      return `ALTER TABLE receipts ADD COLUMN ${name} REAL GENERATED ALWAYS AS (${value}) VIRTUAL;`;
    })
    .join("\n"),
];

/** Compares bytes, so that ISO times and ids sort by time in any locale. */
const postgresText = 'text COLLATE "C"';
const postgresTypes: Readonly<Record<Kind, string>> = {
  text: postgresText,
  whole: "bigint",
  real: "double precision",
  flag: "integer",
};
/** SQL casts of a receipt value's text to its column's type. */
const postgresCasts: Readonly<Record<Kind, string>> = {
  text: "",
  whole: "::bigint",
  real: "::double precision",
  flag: "::boolean::integer",
};

const postgresValue = (path: string, kind: Kind): string =>
  `(receipt #>> '{${path.replaceAll(".", ",")}}')${postgresCasts[kind]}`;

const postgresColumn = (path: string, kind: Kind): string => {
  const value = postgresValue(path, kind);
  return `${postgresTypes[kind]} NOT NULL GENERATED ALWAYS AS (${value}) STORED`;
};

/** Like `sqliteSteps`, for a ledger in Postgres. `rowid`, which SQLite adds by itself, keeps the order of insertion. */
export const postgresSteps: readonly string[] = [
  `CREATE TABLE receipts (
  rowid bigint GENERATED ALWAYS AS IDENTITY,
  receipt jsonb NOT NULL,
  ${drawn(postgresColumn)},
  key ${postgresText} GENERATED ALWAYS AS (receipt ->> 'key') STORED
);
CREATE UNIQUE INDEX receipts_id ON receipts (id);
CREATE INDEX receipts_created ON receipts (created);
CREATE INDEX receipts_key ON receipts (key, created);`,
  times
    .map(([name, path]) => {
      const value = `coalesce(${postgresValue(path, "real")}, 0)`;
      return `ALTER TABLE receipts ADD COLUMN ${name} double precision GENERATED ALWAYS AS (${value}) STORED;`;
    })
    .join("\n"),
];
