import { z } from "zod";
import type { Decoder } from "../../models/decoder/decoder.ts";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { choice, fraction, integer, optionalInteger } from "../option-schemas.ts";
import { type Decision, type PlanPart, type StateFill, stateFills } from "../plan.ts";
import type { Saving } from "../saving.ts";
import { exitUnsupported, fillFor, fillHelp, fillLists, requireExits } from "./checks.ts";

const options = z
  .strictObject({
    layer: optionalInteger(1).describe("layers that process a token before it exits, counted from the first"),
    mode: choice(["fixed", "random"])
      .default("fixed")
      .describe("fixed: every generated token exits; random: each exits with the probability rate"),
    rate: fraction(0.5).describe("with mode=random: share of the tokens that exit"),
    seed: integer(0, 0).describe("seed of mode=random"),
    fill: choice([...stateFills, "verify", ...fillLists])
      .default("copy-kv/ssm-partial")
      .describe(
        `with mode=random: ${fillHelp}; with either mode, verify checks the tokens in one pass of the deeper layers, so the text is dense's`,
      ),
  })
  .superRefine(({ layer }, context) => {
    if (layer === undefined) context.addIssue({ code: "custom", message: "expected a layer, such as exit:layer=20" });
  });

type ExitOptions = z.infer<typeof options>;

/** The fill of deeper layers. @throws UserError if the model has no such layer, or its layers do not support the fill */
function checkExit({ layer, mode, fill: option }: ExitOptions, decoder: Decoder): StateFill {
  const { layers } = decoder.config;
  requireExits("exit", decoder);
  if (layer! > layers) throw new UserError(`exit: there is no layer ${layer}; the model's last is layer ${layers}`, 2);
  // If every token exits and none is verified, the deeper layers never run, so they need no state.
  if (mode === "fixed" && option !== "verify") return "none";
  return fillFor("exit", option, layer!, decoder);
}

/**
 * Makes every generated token, or a random share, exit after a layer, as a control for savings that choose the tokens.
 * All layers process the prompt.
 */
export const exit: Saving<ExitOptions> = {
  name: "exit",
  group: "depth",
  summary: "all generated tokens, or a random share, exit after a layer",
  needs: ["between layers"],
  options,
  withoutPreset: "no layer has been shown to be deep enough on this model; choose one, such as exit:layer=20",
  unsupported: exitUnsupported,
  seams: () => ["the steps of an answer"],
  settings: (layers) => [1, 2, 4].filter((fewer) => fewer < layers).map((fewer) => `layer=${layers - fewer}`),
  async check(options, { decoder }) {
    checkExit(options, decoder);
  },
  async prepare(options, { decoder }) {
    const fill = checkExit(options, decoder);
    if (isNeutral(options, decoder)) return undefined;
    return { plan: () => partOf(options, fill), [Symbol.dispose]() {} };
  },
};

const isNeutral = ({ layer, mode, rate }: ExitOptions, { config }: Decoder): boolean =>
  layer === config.layers || (mode === "random" && rate === 0);

function partOf({ layer, mode, rate, seed }: ExitOptions, fill: StateFill): PlanPart {
  const random = seededRandom(seed);
  const decide = (): Decision => (mode === "fixed" || random() < rate ? { kind: "exit", fill } : GO_ON);
  const state = { prompt: "", answer: fill === "verify" ? "" : undefined };
  return { cuts: [{ after: layer!, scope: "step", fill, decide }], state };
}

const GO_ON: Decision = { kind: "continue" };
