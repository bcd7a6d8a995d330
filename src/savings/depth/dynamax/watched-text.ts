import { concat } from "../../../graph/index.ts";
import type { GivenText } from "../../calibration.ts";
import type { Decision, StepCut, StepProbe } from "../../plan.ts";
import type { DeciderFile, Exits } from "../exits/artefact.ts";
import { exitProbability } from "../exits/decide.ts";
import { stateSizeOf, traceDecider } from "../exits/deciders.ts";
import { traceExitScores, usesModelHead } from "../exits/heads.ts";

/** Each exit's results at a token, by depth. */
export type ExitsSeen = readonly ExitSeen[];

interface ExitSeen {
  /** The probability that the token may exit, by classifier. */
  readonly probabilities: readonly number[];
  /** True if the exit's choice differs from the dense model's choice. */
  readonly differs: boolean;
}

const GO_ON: Decision = { kind: "continue" };

/** A text that the dense model reads while all exits observe the answer's tokens; `seen` collects their results. */
export function watchedText(
  exits: Exits,
  classifiers: readonly DeciderFile[],
  prompt: readonly number[],
  answer: readonly number[],
): GivenText & { readonly seen: readonly ExitsSeen[] } {
  const { layers } = exits.metadata;
  const seen: ExitsSeen[] = [];
  const byLayer = new Map<number, { probabilities: readonly number[]; choice: number }>();
  const cuts = layers.map(
    (after, i): StepCut => ({
      ...{ after, scope: "step", probe: probeOf(exits, classifiers, after) },
      decide({ probed }) {
        byLayer.set(after, {
          probabilities: classifiers.map(({ temperatures }, k) => exitProbability(probed[k]!, temperatures[i])),
          choice: choiceOf(exits, probed.subarray(classifiers.length)),
        });
        return GO_ON;
      },
    }),
  );
  return {
    ...{ prompt, answer, seen, part: { cuts, state: { prompt: "", answer: "" } } },
    onLogits(logits) {
      const dense = likeliest(logits);
      // If a score is NaN, the token counts as having exited with a wrong choice.
      const lost = { probabilities: classifiers.map(() => 1), choice: -1 };
      seen.push(
        layers.map((layer) => {
          const { probabilities, choice } = byLayer.get(layer) ?? lost;
          return { probabilities, differs: choice !== dense };
        }),
      );
      byLayer.clear();
    },
  };
}

/** Computes each classifier's logit, and the scores of the tokens that the exit's head can choose. */
function probeOf(exits: Exits, classifiers: readonly DeciderFile[], layer: number): StepProbe {
  const { head } = exits.metadata;
  const stateSize = Math.max(0, ...classifiers.map(stateSizeOf));
  return {
    key: `${exits.id} watched ${layer}`,
    shared: usesModelHead(head),
    ...(stateSize > 0 && { stateSize }),
    trace(g, decoder, stream, state) {
      const weightsOf = exits.weightsOf(g);
      const decided = classifiers.map((each) =>
        traceDecider(g, weightsOf, each, layer, stream, stateSizeOf(each) > 0 ? state : undefined),
      );
      const scores = traceExitScores(g, decoder, weightsOf, head, layer, stream);
      const next = decided.find((each) => each.state)?.state;
      return { found: concat([...decided.map(({ found }) => found), scores], 2), ...(next && { state: next }) };
    },
  };
}

const choiceOf = ({ metadata }: Exits, scores: Float32Array): number => {
  const best = likeliest(scores);
  return metadata.head.tokens?.[best] ?? best;
};

/** The index of the greatest value; the first of equal values. */
function likeliest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
