/**
 * The bias of rotary embeddings towards late tokens, without any training: queries and keys are drawn around a common
 * direction (FEATHER, arXiv 2412.13180, says what follows; the construction is this project's).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Graph, rotaryEmbedding, sym } from "../../../graph/index.ts";
import type { Decoder } from "../../../models/decoder.ts";
import { openDecoder } from "../../../models/registry.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { traceQuery, traceScores } from "../last-query.ts";
import { meanKeptRow } from "./bias.ts";

/** A decoder of 5 heads of 32; none of its weights is used. */
const file = fileURLToPath(new URL("../../../../models/exits-small/model.safetensors", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "modicum-bias-"));
const [SIDE, GAP, TRIALS, KEPT] = [12, 8, 20, 0.25];
const CELLS = SIDE * SIDE;

let decoder: Decoder;
const programs: Program[] = [];
let query: Program;
let turn: Program;
let scorers: Record<"rotary" | "none", Program>;

beforeAll(async () => {
  const opened = openDecoder(openCheckpoint(file), folder, "f32");
  decoder = opened.decoder;
  const graphs = [
    traceQuery(decoder, 0, true),
    traceQuery(decoder, 0, false),
    traceTurn(),
    ...[true, false].map((rotary) => traceScores(decoder, 0, { rotary, some: false })),
  ];
  opened.weights.commit();
  programs.push(...(await Promise.all(graphs.map((graph) => Program.compile(graph)))));
  query = programs[0]!;
  turn = programs[2]!;
  scorers = { rotary: programs[3]!, none: programs[4]! };
});
afterAll(() => {
  for (const program of programs) program[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** Keys [1, keys, d] rotated by their positions. */
function traceTurn(): Graph {
  const g = new Graph();
  const { headSize } = decoder.config;
  const x = g.input("x", "f32", [1, sym("keys"), headSize]);
  const tables = decoder.rotary(g, 0)!;
  g.output("y", rotaryEmbedding(x, g.input("positions", "i64", [1, sym("keys")]), tables, { heads: 1, pairs: "half" }));
  return g;
}

/** Scores of the cells of one random picture, whose cell `i` stands at position `at(i)`, with both scorers. */
async function scores(
  strength: number,
  at: (cell: number) => number,
  normal: () => number,
  { asked = CELLS + GAP, factor = 1 }: { asked?: number; factor?: number } = {},
) {
  const { heads, kvHeads, headSize } = decoder.config;
  const drawn = Array.from({ length: heads }, () => {
    const direction = Array.from({ length: headSize }, normal);
    const length = Math.hypot(...direction);
    const mean = direction.map((v) => (strength * Math.sqrt(headSize) * v) / length);
    const vectors = (count: number) => Array.from({ length: count }, () => mean.map((m) => m + normal())).flat();
    return { query: vectors(1), keys: vectors(CELLS) };
  });
  const width = (heads + 2 * kvHeads) * headSize;
  using qkv = new Buffer("f32", width);
  new Float32Array(qkv.memory).set(drawn.flatMap((head) => head.query.map((v) => factor * v)));
  using last = new Buffer("i64", 1);
  new BigInt64Array(last.memory)[0] = BigInt(asked);
  using places = new Buffer("i64", CELLS);
  new BigInt64Array(places.memory).set(Array.from({ length: CELLS }, (_, cell) => BigInt(at(cell))));
  const found = { rotary: new Float32Array(CELLS), none: new Float32Array(CELLS) };
  for (const way of ["rotary", "none"] as const) {
    const program = way === "rotary" ? query : programs[1]!;
    using q = new Buffer("f32", heads * headSize);
    const position = { position: last.view([1, 1]) };
    await program.bind({ qkv: qkv.view([1, 1, width]), ...position, q: q.view([heads, headSize]) }).run();
    for (const [head, { keys }] of drawn.entries()) {
      using raw = new Buffer("f32", CELLS * headSize);
      using held = new Buffer("f32", CELLS * headSize);
      using part = new Buffer("f32", CELLS);
      new Float32Array(raw.memory).set(keys);
      const positions = places.view([1, CELLS]);
      await turn.bind({ x: raw.view([1, CELLS, headSize]), positions, y: held.view([1, CELLS, headSize]) }).run();
      const own = { q: q.view([1, headSize], head * headSize), keys: held.view([CELLS, headSize]), positions };
      await scorers[way].bind({ ...own, scores: part.view([1, CELLS]) }).run();
      for (const [cell, score] of new Float32Array(part.memory).entries()) found[way][cell]! += score / heads;
    }
  }
  return found;
}

async function bias(strength: number, at: (cell: number) => number) {
  const normal = normals(seededRandom(4));
  const sum = { rotary: 0, none: 0 };
  for (let trial = 0; trial < TRIALS; trial++) {
    const found = await scores(strength, at, normal);
    for (const way of ["rotary", "none"] as const) sum[way] += meanKeptRow(found[way], [SIDE, SIDE], KEPT) / TRIALS;
  }
  return sum;
}

const inOrder = (cell: number) => cell + 1;
const reversedRows = (cell: number) => (SIDE - 1 - Math.floor(cell / SIDE)) * SIDE + (cell % SIDE) + 1;

test("rows at the bottom are favoured with the rotary embedding, and not without it", async () => {
  const { rotary, none } = await bias(1, inOrder);
  expect(rotary).toBeGreaterThanOrEqual(0.58);
  expect(Math.abs(none - 0.5)).toBeLessThanOrEqual(0.03);
});

test("with the rows in reverse order, those at the top", async () => {
  const { rotary, none } = await bias(1, reversedRows);
  expect(rotary).toBeLessThanOrEqual(0.42);
  expect(Math.abs(none - 0.5)).toBeLessThanOrEqual(0.03);
});

test("without a common direction there is no bias", async () => {
  const { rotary, none } = await bias(0, inOrder);
  for (const row of [rotary, none]) expect(Math.abs(row - 0.5)).toBeLessThanOrEqual(0.03);
});

test("without rotary, scores do not depend on positions; with it, on distances alone", async () => {
  const of = (at: (cell: number) => number) => scores(0.5, at, normals(seededRandom(6)));
  const [one, other] = [await of(inOrder), await of(reversedRows)];
  const worst = (a: Float32Array, b: Float32Array) => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));
  expect(worst(one.none, other.none)).toBeLessThan(1e-6);
  expect(worst(one.rotary, other.rotary)).toBeGreaterThan(1e-3);
  const asked = CELLS + GAP + 50;
  const later = await scores(0.5, (cell) => inOrder(cell) + 50, normals(seededRandom(6)), { asked });
  expect(worst(one.rotary, later.rotary)).toBeLessThan(1e-5);
});

test("a query of zeros finds all tokens alike", async () => {
  const { rotary, none } = await scores(0.5, inOrder, normals(seededRandom(6)), { factor: 0 });
  for (const score of [...rotary, ...none]) expect(score).toBeCloseTo(1 / CELLS, 6);
});
