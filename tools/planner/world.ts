import { seededRandom } from "../../src/util/random.ts";

/** A question with the plan that solves it and the answer that follows from the plan. */
export interface Sample {
  readonly task: "star-graph" | "look-up";
  readonly question: string;
  readonly plan: string;
  readonly answer: string;
}

/** Nodes, one token each. */
const NODES = [..."abcdefgh"];

/** Sizes of graphs: arms, and nodes of a path. */
export interface Sizes {
  readonly degrees: readonly number[];
  readonly lengths: readonly [shortest: number, longest: number];
}
/** Graphs that are asked for in tests. */
export const TESTED: Sizes = { degrees: [2], lengths: [4, 4] };
/** Graphs of training. With three nodes to a path, looking up what leads to the goal is all there is to learn. */
const SHORT: Sizes = { degrees: [2], lengths: [3, 3] };
const LONG: Sizes = { degrees: [2], lengths: [3, 4] };

type Random = () => number;
const below = (n: number, random: Random): number => Math.floor(random() * n);

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = below(i + 1, random);
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all;
}

/**
 * A star graph (Bachmann & Nagarajan 2024, arXiv 2403.06963): arms of equal length from one node, their edges in random
 * order; the path to the end of one arm is asked for. The question ends with the start, the goal and the path's length.
 */
export function starGraph(random: Random, { degrees, lengths: [shortest, most] }: Sizes = TESTED): Sample {
  const degree = degrees[below(degrees.length, random)]!;
  const longest = Math.min(most, 1 + Math.floor((NODES.length - 1) / degree));
  const length = shortest + below(longest - shortest + 1, random);
  const [start, ...nodes] = shuffled(NODES, random) as [string, ...string[]];
  const arms = Array.from({ length: degree }, (_, i) => [
    start,
    ...nodes.slice(i * (length - 1), (i + 1) * (length - 1)),
  ]);
  const edges = arms.flatMap((arm) => arm.slice(1).map((node, i) => arm[i]! + node));
  const path = arms[below(degree, random)]!;
  const question = `${shuffled(edges, random).join(",")}|${start}${path.at(-1)}${length}`;
  return { task: "star-graph", question, plan: path.join(""), answer: path[1]! };
}

/** The value of each key of two letters: arbitrary, so that it can be known but not worked out. */
const values = new Map(
  (() => {
    const random = seededRandom(5);
    const keys = NODES.flatMap((a) => NODES.map((b) => a + b));
    return shuffled(keys, random).map((key) => [key, NODES[below(NODES.length, random)]!] as const);
  })(),
);
const KEYS = [...values.keys()];
/** Keys that training shows; the others are asked for in tests, too. */
const KNOWN = KEYS.slice(0, 45);

/** A look-up of a fact, which no plan helps with: the plan says the key again. */
export function lookUp(random: Random, keys: readonly string[] = KNOWN): Sample {
  const key = keys[below(keys.length, random)]!;
  return { task: "look-up", question: `?${key}`, plan: key, answer: values.get(key)! };
}

export const isKnown = ({ plan }: Sample): boolean => KNOWN.includes(plan);

/** Look-ups of all keys, known or not. */
export const anyLookUp = (random: Random): Sample => lookUp(random, KEYS);

/** The shares of look-ups and of short paths among training samples; the others are as long as in tests, or shorter. */
const [LOOK_UPS, SHORTS] = [0.1, 0.2];

/** Samples for training. */
export function trainingSample(random: Random): Sample {
  const drawn = random();
  if (drawn < LOOK_UPS) return lookUp(random);
  return starGraph(random, drawn < LOOK_UPS + SHORTS ? SHORT : LONG);
}

/** The share of a planner's first samples that are of all kinds, so that every character is among them. */
const VARIED = 0.02;

/** Samples that a planner begins with: until it looks up, more kinds at once only keep it from that. */
export const firstSample = (random: Random): Sample =>
  random() < VARIED ? trainingSample(random) : starGraph(random, SHORT);
