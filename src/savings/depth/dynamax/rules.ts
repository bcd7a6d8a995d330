import { confidence, reshape } from "../../../graph/index.ts";
import type { CutInputs, StepProbe } from "../../plan.ts";
import type { Exits } from "../exits/artefact.ts";
import { exitProbability } from "../exits/decide.ts";
import type { DeciderSettings } from "../exits/deciders.ts";
import { deciderProbe } from "../exits/exit-heads.ts";
import { traceExitHead, usesModelHead } from "../exits/heads.ts";

/**
 * An exit's rule: it scores each token. The token exits if its score reaches the threshold; if the score is NaN, the
 * token continues.
 */
export interface ExitRule {
  readonly probe?: StepProbe;
  /** True if the probe runs the exit's own head; the token is then chosen from these logits. */
  readonly hasLogits?: boolean;
  score(inputs: CutInputs): number;
}

/** A trained classifier's probability that the token may exit. */
export function classifierRule(exits: Exits, settings: DeciderSettings, layer: number, temperature: number): ExitRule {
  return {
    probe: deciderProbe(exits, settings, layer),
    score: ({ probed }) => exitProbability(probed[0]!, temperature),
  };
}

/** The index of each score in the results of `confidence`. */
const numbers = { "softmax-max": 0, "softmax-margin": 1, entropy: 2 } as const;

/** The model's own head; it needs no extra weights. */
const MODEL_HEAD = { mode: "shared" } as const;
const noWeights = (name: string): never => {
  throw new Error(`the model's own head has no exit weight ${name}`);
};

/** The confidence of the exit's own head, which runs at every exit that a token reaches. */
export function confidenceRule(exits: Exits | undefined, kind: keyof typeof numbers, layer: number): ExitRule {
  const head = exits?.metadata.head ?? MODEL_HEAD;
  return {
    hasLogits: true,
    probe: {
      key: `${exits?.id ?? "model"} confidence ${exits ? layer : ""}`,
      shared: usesModelHead(head),
      trace(g, decoder, stream) {
        const logits = traceExitHead(g, decoder, exits?.weightsOf(g) ?? noWeights, head, layer, stream);
        return { found: confidence(logits), logits };
      },
    },
    score: ({ probed }) => probed[numbers[kind]]!,
  };
}

/** A random choice at the same exits, as a control. */
export const randomRule = (random: () => number, rate: number): ExitRule => ({
  score: () => (random() < rate ? Number.POSITIVE_INFINITY : 0),
});

/** Returns the residual stream unchanged, since it is small enough to compare in JavaScript. */
export const streamProbe: StepProbe = {
  key: "stream",
  trace: (_, __, stream) => ({ found: reshape(stream, stream.shape) }),
};
