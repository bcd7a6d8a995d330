import { shuffle } from "../../../src/util/random.ts";
import { LOOK_UP_CHANCE, lookUp } from "./look-ups.ts";
import { below, type Random, type Sample, type World } from "./world.ts";

/** Nodes, one token each. */
const NODES = [..."abcdefgh"];

/** Sizes of graphs: arms, and nodes of a path. */
interface Sizes {
  readonly degrees: readonly number[];
  readonly lengths: readonly [shortest: number, longest: number];
}
/** Graphs that are asked for in tests. */
const TESTED: Sizes = { degrees: [2], lengths: [4, 4] };
/**
 * Training graphs. With paths of three nodes, a planner needs to learn only the look-up of the node before the goal.
 */
const SHORT: Sizes = { degrees: [2], lengths: [3, 3] };

/**
 * Plans end at the same position, so that the node before the goal always has the same position, whatever the path's
 * length. When plans started at the same position, paths of three nodes taught a planner nothing about paths of four.
 */
const [LONGEST, BLANK] = [4, "."];

/**
 * A star graph (Bachmann & Nagarajan 2024, arXiv 2403.06963): arms of equal length from one node, their edges in random
 * order; the path to the end of one arm is asked for. The question ends with the start, the goal and the path's length.
 */
function starGraph(random: Random, { degrees, lengths: [shortest, most] }: Sizes = TESTED): Sample {
  const degree = degrees[below(degrees.length, random)]!;
  const longest = Math.min(most, 1 + Math.floor((NODES.length - 1) / degree));
  const length = shortest + below(longest - shortest + 1, random);
  const [start, ...nodes] = shuffle([...NODES], random) as [string, ...string[]];
  const arms = Array.from({ length: degree }, (_, i) => [
    start,
    ...nodes.slice(i * (length - 1), (i + 1) * (length - 1)),
  ]);
  const edges = arms.flatMap((arm) => arm.slice(1).map((node, i) => arm[i]! + node));
  const path = arms[below(degree, random)]!;
  const question = `${shuffle(edges, random).join(",")}|${start}${path.at(-1)}${length}`;
  return { task: "star-graph", question, plan: path.join("").padStart(LONGEST, BLANK), answer: path[1]! };
}

/** The shares of look-ups and of short paths among training samples; the others are those of tests. */
const [LOOK_UPS, SHORTS] = [0.1, 0.2];
/** The share of a planner's first samples that are of all kinds, so that every character is among them. */
const VARIED = 0.02;

function training(random: Random): Sample {
  const drawn = random();
  if (drawn < LOOK_UPS) return lookUp(random);
  return starGraph(random, drawn < LOOK_UPS + SHORTS ? SHORT : TESTED);
}

/** Paths from a star's middle to the end of one of its arms. */
export const starGraphs: World = {
  name: "star-graphs",
  template: "bare-1",
  ...{ planTokens: 6, steps: [1, 2, 3, 4, 6], answerTokens: 2, training },
  tested: (random) => starGraph(random),
  beginning: (random) => (random() < VARIED ? training(random) : starGraph(random, SHORT)),
  asked: (random) => starGraph(random),
  answers: (sample, answer) => answer === sample.answer,
  opens: (sample, plan) => plan.replaceAll(BLANK, "")[1] === sample.answer,
  solves: (sample, plan) => plan === sample.plan,
  chance: ({ task }) => (task === "look-up" ? LOOK_UP_CHANCE : 1 / TESTED.degrees[0]!),
};
