import { shuffle } from "../../../src/util/random.ts";
import { below, type Random, type Sample, type World } from "./world.ts";

/** Nodes: letters that are not words. */
const NODES = [..."bcdfghkm"];

/** A star graph of two arms of three nodes, asked and planned in words that a chat model can read. */
function sample(random: Random): Sample {
  const [start, ...nodes] = shuffle([...NODES], random) as [string, ...string[]];
  const arms = [nodes.slice(0, 2), nodes.slice(2, 4)] as [string, string][];
  const edges = arms.flatMap(([next, end]) => [start + next, next + end]);
  const [next, goal] = arms[below(2, random)]!;
  return {
    task: "words",
    question: `Edges ${shuffle(edges, random).join(", ")}. Next node from ${start} to ${goal}?`,
    plan: `${start} to ${next} to ${goal}`,
    answer: next,
  };
}

/** The first node that stands by itself in an answer; undefined without one. */
const nodeOf = (answer: string): string | undefined => answer.match(/\b[bcdfghkm]\b/)?.[0];

const NEXT = "b to ".length;

/** Star graphs for a chat model that was never trained on them. */
export const words: World = {
  name: "words",
  template: "half-1",
  ...{ planTokens: 16, steps: [1, 2, 4, 8, 16], answerTokens: 8 },
  ...{ tested: sample, training: sample, beginning: sample, asked: sample },
  answers: ({ answer }, text) => nodeOf(text) === answer,
  opens: ({ answer }, plan) => plan[NEXT] === answer,
  solves: ({ plan }, found) => found === plan,
  chance: () => 1 / 2,
};
