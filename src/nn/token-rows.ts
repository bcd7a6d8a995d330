import { concat, type Graph, gather, matmulTransposed, plus, split, type Tensor, times } from "../graph/index.ts";
import type { TokenRows } from "../weights/weight-source.ts";

/** The number of tokens of a table with `rows` rows, including extra tokens with separate rows. */
export const tokensWith = (rows: number, ids: readonly number[] = []): number =>
  ids.reduce((most, id) => Math.max(most, id + 1), rows);

/**
 * Vectors of tokens, i64 [...] → [..., width]; some tokens have separate rows. `look` reads rows of the table,
 * which has `table` rows.
 */
export function lookUpBeside(
  graph: Graph,
  ids: Tensor,
  { ids: own, rows }: TokenRows,
  table: number,
  look: (ids: Tensor) => Tensor,
): Tensor {
  const [all, width] = [tokensWith(table, own), Number(rows.shape[1])];
  const places = new Map(own.map((id, i) => [id, i + 1]));
  const place = gather(
    whole(graph, "token_rows.places", all, (id) => places.get(id) ?? 0),
    ids,
    0,
  );
  // A token without a row in the table reads an arbitrary row, which the mask clears.
  const within = whole(graph, "token_rows.within", all, (id) => (id < table ? id : 0));
  const vectors = look(all > table ? gather(within, ids, 0) : ids);
  const mask = floats(graph, "token_rows.mask", [own.length + 1, width], (at) => (at < width ? 1 : 0));
  const none = floats(graph, "token_rows.none", [1, width], () => 0);
  return plus(times(vectors, gather(mask, place, 0)), gather(concat([none, rows], 0), place, 0));
}

/** Logits [..., tokens] of x [..., width]: `logits` [..., table], then the logits of tokens with separate rows. */
export function scoreBeside(logits: Tensor, x: Tensor, { ids, rows }: TokenRows): Tensor {
  const table = Number(logits.shape.at(-1));
  const runs = runsOf(ids, table);
  const own = slices(
    matmulTransposed(x, rows),
    runs.map(({ at, size }) => [at, at + size]),
  );
  const starts = [...runs.map(({ first }) => Math.min(first, table)), table];
  const ends = [0, ...runs.map(({ first, size }) => Math.min(first + size, table))];
  const ranges = starts.map((to, i) => [ends[i]!, to] as const);
  const filled = ranges.filter(([from, to]) => from < to);
  const between = slices(logits, filled);
  const parts = ranges.flatMap((range, i) => [between[filled.indexOf(range)], own[i]]);
  return concat(
    parts.filter((part) => part !== undefined),
    logits.shape.length - 1,
  );
}

/** A run of consecutive tokens with consecutive separate rows; it never crosses the table's end. */
interface Run {
  /** The first token, and the index of its row. */
  readonly first: number;
  readonly at: number;
  readonly size: number;
}

function runsOf(ids: readonly number[], table: number): Run[] {
  const begins = ids.flatMap((id, at) => (id === ids[at - 1]! + 1 && id !== table ? [] : [at]));
  return begins.map((at, i) => ({ first: ids[at]!, at, size: (begins[i + 1] ?? ids.length) - at }));
}

/** The columns of x in each range, `from` to `to` − 1; ranges must ascend. */
function slices(x: Tensor, ranges: readonly (readonly [from: number, to: number])[]): Tensor[] {
  const axis = x.shape.length - 1;
  const borders = [...new Set([0, ...ranges.flat(), Number(x.shape[axis])])].sort((a, b) => a - b);
  const sizes = borders.slice(1).map((to, i) => to - borders[i]!);
  const parts = sizes.length === 1 ? [x] : split(x, axis, sizes);
  return ranges.map(([from]) => parts[borders.indexOf(from)]!);
}

function whole(graph: Graph, name: string, size: number, value: (at: number) => number): Tensor {
  const values = BigInt64Array.from({ length: size }, (_, at) => BigInt(value(at)));
  const bytes = new Uint8Array(values.buffer);
  return graph.constant(name, { dtype: "i64", shape: [size] }, { kind: "memory", bytes });
}

function floats(graph: Graph, name: string, shape: [number, number], value: (at: number) => number): Tensor {
  const values = Float32Array.from({ length: shape[0] * shape[1] }, (_, at) => value(at));
  return graph.constant(name, { dtype: "f32", shape }, { kind: "memory", bytes: new Uint8Array(values.buffer) });
}
