import type { ExitHead, StepProbe } from "../../plan.ts";
import type { Exits } from "./artefact.ts";
import { type DeciderSettings, stateSizeOf, traceDecider } from "./deciders.ts";
import { traceExitHead, usesModelHead } from "./heads.ts";

/** The head of an exit; undefined if it is the model's own. */
export function exitHead(exits: Exits | undefined, layer: number): ExitHead | undefined {
  if (!exits) return undefined;
  const { head } = exits.metadata;
  if (head.mode === "shared" && !head.tokens) return undefined;
  return {
    key: `${exits.id} head ${layer}`,
    shared: usesModelHead(head),
    trace: (g, decoder, stream) => traceExitHead(g, decoder, exits.weightsOf(g), head, layer, stream),
  };
}

/** A decider at an exit; `found` holds its raw logits. */
export function deciderProbe(exits: Exits, settings: DeciderSettings, layer: number): StepProbe {
  const stateSize = stateSizeOf(settings);
  return {
    key: `${exits.id} ${settings.kind} ${layer}`,
    ...(stateSize > 0 && { stateSize }),
    trace: (g, _, stream, state) => traceDecider(g, exits.weightsOf(g), settings, layer, stream, state),
  };
}
