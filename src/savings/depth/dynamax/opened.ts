import type { Decoder } from "../../../models/decoder/decoder.ts";
import { cosine } from "../../../util/cosine.ts";
import { UserError } from "../../../util/errors.ts";
import { seededRandom } from "../../../util/random.ts";
import type { Decision, PlanPart, StateFill, StepCut } from "../../plan.ts";
import type { SavingHost } from "../../seams.ts";
import { exitsFrom, fillFor, requireExits } from "../checks.ts";
import type { Exits } from "../exits/artefact.ts";
import { exitHead } from "../exits/exit-heads.ts";
import { findExits } from "../exits/opened.ts";
import type { DynamaxOptions, Rule } from "./options.ts";
import { classifierRule, confidenceRule, type ExitRule, randomRule, streamProbe } from "./rules.ts";
import { certifiedThreshold } from "./thresholds.ts";

/** Exits for a model without trained exits: every fourth layer of the second half (DYNAMAX b.2). */
function usualExits({ config: { layers } }: Decoder): number[] {
  const first = Math.ceil(layers / 2);
  return Array.from({ length: Math.ceil((layers - first) / 4) }, (_, i) => first + 4 * i);
}

/** The parts that one model's requests share. */
interface DynamaxParts {
  readonly exits: Exits | undefined;
  /** The number of layers before each exit, ascending. */
  readonly layers: readonly number[];
  readonly fill: StateFill;
  /** The minimum score of the rule at which a token exits. */
  readonly threshold: number;
}

/** @throws UserError if the model does not have these exits, or its layers do not support the fill */
export async function open(options: DynamaxOptions, host: SavingHost): Promise<DynamaxParts> {
  const { decoder, form } = host;
  requireExits("dynamax", decoder);
  const exits = await findExits("dynamax", host, options.file);
  if (!exits && options.rule === "classifier")
    throw new UserError(
      "dynamax: there are no trained exits for this model; `modicum savings train dynamax` makes some, and rule=softmax-max needs none",
      2,
    );
  const settings = options.rule === "classifier" ? settingsOf(exits!, options) : undefined;
  const layers = exitsFrom("dynamax", exits?.metadata.layers ?? usualExits(decoder), options.from);
  const fill = fillFor("dynamax", options.fill, layers[0]!, decoder);
  const { threshold } =
    options.risk === undefined ? options : certifiedThreshold(exits!.folder, settings!, options.risk, form);
  return { exits, layers, fill, threshold };
}

function settingsOf({ metadata, folder }: Exits, { classifier }: DynamaxOptions) {
  const found = metadata.deciders.find(({ kind }) => kind === classifier);
  if (found) return found;
  const kinds = metadata.deciders.map(({ kind }) => kind).join(", ");
  throw new UserError(`dynamax: ${folder} has no classifier ${classifier}, only ${kinds || "a head"}`, 2);
}

export const isNeutral = ({ rule, rate }: DynamaxOptions, { threshold }: DynamaxParts): boolean =>
  rule === "random" ? rate === 0 : threshold >= 1;

/** A request's plan part; a rule may keep state from token to token. */
export function partOf(options: DynamaxOptions, parts: DynamaxParts): PlanPart {
  const state = { prompt: "", answer: parts.fill === "verify" ? "" : undefined };
  const { rule } = options;
  return { cuts: rule === "saturation" ? saturationCuts(parts) : ruleCuts(rule, options, parts), state };
}

/** An exit's head, and its decision from the rule's score. */
const leaving = ({ exits, fill, threshold }: DynamaxParts, layer: number) => {
  const head = exitHead(exits, layer);
  return {
    ...{ after: layer, scope: "step" as const, fill, ...(head && { head }) },
    by: (score: number): Decision => (score >= threshold ? { kind: "exit", fill } : GO_ON),
  };
};

const GO_ON: Decision = { kind: "continue" };

function ruleCuts(rule: RuleAtOnce, options: DynamaxOptions, opened: DynamaxParts): StepCut[] {
  const random = seededRandom(options.seed);
  return opened.layers.map((layer) => {
    const { by, head, ...cut } = leaving(opened, layer);
    const { probe, hasLogits, score } = ruleAt(rule, options, opened, layer, random);
    const parts = { ...(probe && { probe }), ...(head && !hasLogits && { head }) };
    return { ...cut, ...parts, decide: (inputs) => by(score(inputs)) };
  });
}

/** A rule that scores a token at a single cut, unlike saturation, which compares two cuts. */
type RuleAtOnce = Exclude<Rule, "saturation">;

function ruleAt(
  rule: RuleAtOnce,
  options: DynamaxOptions,
  { exits }: DynamaxParts,
  layer: number,
  random: () => number,
): ExitRule {
  switch (rule) {
    case "classifier": {
      const settings = settingsOf(exits!, options);
      const at = exits!.metadata.layers.indexOf(layer);
      return classifierRule(exits!, settings, layer, settings.temperatures[at]!);
    }
    case "softmax-max":
    case "softmax-margin":
    case "entropy":
      return confidenceRule(exits, rule, layer);
    case "random":
      return randomRule(random, options.rate);
  }
}

/** CALM's hidden-state saturation: the cosine between the residual streams before and after an exit's layer. */
function saturationCuts(parts: DynamaxParts): StepCut[] {
  const { layers } = parts;
  const places = [...new Set(layers.flatMap((layer) => [layer - 1, layer]))].filter((at) => at > 0);
  let last = { after: 0, stream: new Float32Array() };
  return places.map((after) => {
    const exit = layers.includes(after) ? leaving(parts, after) : undefined;
    const { by, ...cut } = exit ?? { after, scope: "step" as const, by: () => GO_ON };
    return {
      ...cut,
      probe: streamProbe,
      decide({ probed }) {
        const before = last;
        last = { after, stream: new Float32Array(probed) };
        return before.after === after - 1 ? by(cosine(before.stream, probed)) : GO_ON;
      },
    };
  });
}
