import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { choice, file, fraction, optionalInteger } from "../../option-schemas.ts";
import { type Decision, type PlanPart, type StateFill, type StepCut, stateFills } from "../../plan.ts";
import type { Saving } from "../../saving.ts";
import type { SavingHost } from "../../seams.ts";
import { exitsFrom, exitUnsupported, fillFor, fillLists, requireExits } from "../checks.ts";
import type { Exits } from "../exits/artefact.ts";
import { actionOf } from "../exits/decide.ts";
import { deciderProbe, exitHead } from "../exits/exit-heads.ts";
import { findExits } from "../exits/opened.ts";

const secOptions = z.strictObject({
  exit: fraction(0.9).describe("a token leaves if that is likeliest and more probable than this; 1: no token leaves"),
  stop: fraction(0.8).describe("the answer ends if that is likeliest and more probable than this; 1: it never does"),
  fill: choice([...stateFills, ...fillLists])
    .default("copy-hidden/ssm-partial")
    .describe(
      "what deeper layers get of a token that left: keys and values computed from the stream at the exit (copy-hidden), the exit layer's (copy-kv), their own once a later token goes deeper (recompute), or nothing (mask); of a recurrent model states updated by the stream at the exit (ssm-partial) or left as they are (ssm-skip); of a chain (with /): the first that the model can take",
    ),
  from: optionalInteger(1).describe("the first exit that is used, by the layers that have run; default: the first"),
  file: file().describe("folder of exits that `savings train sec` wrote; default: those shipped for the model"),
});

type SecOptions = z.infer<typeof secOptions>;

/** The controller of one model, and the exits in use. */
interface Opened {
  readonly exits: Exits;
  readonly controller: Exits["about"]["deciders"][number];
  readonly layers: readonly number[];
  readonly fill: StateFill;
}

/** @throws UserError if the model has no controller, or its layers cannot use the fill */
async function open({ file: folder, from, fill: asked }: SecOptions, host: SavingHost): Promise<Opened> {
  requireExits("sec", host.decoder);
  const exits = await findExits("sec", host, folder);
  if (!exits)
    throw new UserError("sec: there is no controller for this model; `modicum savings train sec` makes one", 2);
  const controller = exits.about.deciders.find(({ kind }) => kind === "controller");
  if (!controller) throw new UserError(`sec: ${exits.folder} has no controller`, 2);
  const layers = exitsFrom("sec", exits.about.layers, from);
  const fill = fillFor("sec", asked, layers[0]!, host.decoder);
  return { exits, controller, layers, fill };
}

/**
 * SEC (Sun et al., ICSE 2024, arXiv 2401.09964): one small controller reads the stream after each exit layer, and ends
 * the answer if the next token would be wrong, takes the token there if it is right already, or goes on. The answer's
 * first token runs through all layers.
 */
export const sec: Saving<SecOptions> = {
  name: "sec",
  group: "depth",
  summary: "a controller ends an answer that goes wrong, and lets tokens leave early; for code completion",
  needs: ["between layers", "head"],
  options: secOptions,
  unsupported: exitUnsupported,
  files: ["file"],
  seams: () => ["the exits of an answer"],
  settings: () => ["exit=0.95,stop=1", "exit=0.9,stop=1", "exit=0.9,stop=0.8"],
  async check(options, host) {
    await open(options, host);
  },
  async prepare(options, host) {
    const opened = await open(options, host);
    if (options.exit >= 1 && options.stop >= 1) return undefined;
    return { plan: () => partOf(options, opened), [Symbol.dispose]() {} };
  },
};

function partOf(thresholds: SecOptions, { exits, controller, layers, fill }: Opened): PlanPart {
  const decisions: Readonly<Record<"stop" | "exit" | "continue", Decision>> = {
    stop: { kind: "stop" },
    exit: { kind: "exit", fill },
    continue: { kind: "continue" },
  };
  const cuts = layers.map((layer): StepCut => {
    const head = exitHead(exits, layer);
    const temperature = controller.temperatures[exits.about.layers.indexOf(layer)]!;
    return {
      ...{ after: layer, scope: "step", fill, probe: deciderProbe(exits, controller, layer), ...(head && { head }) },
      decide: ({ probed }) => decisions[actionOf(probed, thresholds, temperature)],
    };
  });
  return { cuts, state: { prompt: "", answer: undefined } };
}
