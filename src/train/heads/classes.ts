import { type Graph, sym } from "../../graph/index.ts";
import type { Encoder } from "../../models/encoder/encoder.ts";
import { hiddenIn } from "../graphs/encoder-stack.ts";
import type { HeadScores, Objective } from "./objective.ts";
import { TextHead } from "./text-head.ts";

/** Scores the classes of a text with the encoder's own classifier. */
export const classes = (encoder: Encoder): Objective => ({
  judged: true,
  score(g: Graph): HeadScores {
    const { x, hidden, mask } = hiddenIn(g, encoder);
    const scores = encoder.classify(g, hidden, mask);
    return { x, scores, targets: g.input("targets", "i64", [sym("batch")]) };
  },
  inputs: ({ labels }) => ({ targets: { dtype: "i64", shape: [labels.length], values: labels } }),
  open: (_, programs) => new TextHead(programs, () => encoder.config.labels),
});
