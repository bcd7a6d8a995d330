import { type Graph, gather, matmulTransposed, type Pooling, pool, sym, unit } from "../../graph/index.ts";
import type { Encoder } from "../../models/encoder/encoder.ts";
import { hiddenIn } from "../graphs/encoder-stack.ts";
import type { HeadScores, Objective } from "./objective.ts";
import { TextHead } from "./text-head.ts";

/** The factor by which cosines are multiplied: sentence-transformers' default. */
const SCALE = 20;

/**
 * Scores documents by the cosine between their embedding and the query's. All documents of a batch except the query's
 * own count as wrong: InfoNCE (van den Oord et al. 2018), from queries to documents, as in sentence-transformers'
 * MultipleNegativesRankingLoss.
 */
export const embedding = (encoder: Encoder, pooling: Pooling): Objective => ({
  judged: true,
  score(g: Graph): HeadScores {
    const { x, hidden, mask } = hiddenIn(g, encoder);
    const vectors = unit(pool(hidden, mask, pooling));
    const part = (name: string) => gather(vectors, g.input(name, "i64", [sym(name)]), 0);
    const scores = matmulTransposed(part("queries"), part("documents"), SCALE);
    return { x, scores, targets: g.input("targets", "i64", [sym("queries")]) };
  },
  inputs({ rows, labels }) {
    const some = (from: number, to: number) => ({
      ...{ dtype: "i64" as const, shape: [to - from] },
      values: Int32Array.from({ length: to - from }, (_, i) => from + i),
    });
    const { length } = labels;
    return {
      queries: some(0, length),
      documents: some(length, rows),
      targets: { dtype: "i64", shape: [length], values: labels },
    };
  },
  open: (_, programs) => new TextHead(programs, ({ rows, labelled }) => rows - labelled),
});
