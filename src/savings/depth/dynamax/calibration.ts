import { createHash } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { certifiedOf } from "../../../util/risk/fixed-sequence.ts";
import { groupLosses } from "../../../util/risk/groups.ts";
import { pValue } from "../../../util/risk/p-value.ts";
import type { Calibration, CalibrationHost, CalibrationPrompt } from "../../calibration.ts";
import { formDifference } from "../../notice-form.ts";
import { checkFill, requireExits } from "../checks.ts";
import type { CertifiedThreshold, DeciderFile, Exits, ExitsFile } from "../exits/artefact.ts";
import { findExits } from "../exits/opened.ts";
import { thresholdGrid } from "./thresholds.ts";
import { type ExitsSeen, watchedText } from "./watched-text.ts";

const share = z.number().gt(0).lt(1);

const options = z.strictObject({
  file: z.string().optional().describe("folder of exits (default: those shipped for the model)"),
  risk: z
    .array(z.coerce.number().pipe(share))
    .default([0.01, 0.02, 0.05, 0.1])
    .describe("expected shares of tokens that are not dense's, to certify a threshold for each"),
  confidence: share.default(0.95).describe("probability with which each threshold keeps its risk"),
});

/** Tokens at the beginning of a document that are read as a prompt, whole. */
const PROMPT = 16;

/** Tokens of the shortest document that is tested. */
const SHORTEST = 32;

/**
 * The laxest threshold of each classifier that keeps a risk, by Learn then Test on documents that no training has seen.
 * Thresholds of fill=recompute, which leaves every layer the states that dense would have after the same text: what exits would do at
 * any threshold is seen while dense reads the document.
 */
export const thresholdCalibration: Calibration<typeof options> = {
  summary: "thresholds of exits that keep a risk, on documents that no training has seen",
  options,
  async learn(host, prompts, { file, risk, confidence }) {
    requireExits("dynamax", host.decoder);
    const exits = await findExits("dynamax", host, file);
    if (!exits) throw new UserError("dynamax: there are no trained exits for this model to certify thresholds of", 2);
    checkFill("dynamax", "recompute", exits.about.layers[0]!, host.decoder);
    const documents = await watch(host, exits, prompts);
    const items = { count: new Set(documents.map(({ hash }) => hash)).size, sha256: host.textsSha256 };
    const certify = (decider: number): CertifiedThreshold[] =>
      risk.flatMap((each) => {
        const found = laxest(documents, exits.about, host.decoder.config.layers, decider, { risk: each, confidence });
        return found ? [{ ...found, loss: "token-disagreement", fill: "recompute", ...host.form, items }] : [];
      });
    const deciders = exits.about.deciders.map((decider, i) => ({
      ...decider,
      thresholds: [...ofOtherForms(decider, host), ...certify(i)],
    }));
    return {
      artefact: { ...exits.about, deciders },
      summary: `${items.count} documents; ${described(deciders, risk, host)}`,
      use: (written) => `dynamax:risk=${risk.at(-1)},file=${path.dirname(written)}`,
    };
  },
};

/** Thresholds that are certified for another form of the weights. */
const ofOtherForms = ({ thresholds = [] }: DeciderFile, { form }: CalibrationHost): CertifiedThreshold[] =>
  thresholds.filter((each) => form !== undefined && formDifference(each, form) !== undefined);

/** A document, with what exits found at each of its tokens. */
interface Watched {
  readonly hash: string;
  readonly tokens: readonly ExitsSeen[];
}

/** @throws UserError if all documents are too short */
async function watch(host: CalibrationHost, exits: Exits, prompts: readonly CalibrationPrompt[]): Promise<Watched[]> {
  const long = prompts.filter(({ prompt }) => prompt.length >= SHORTEST);
  if (long.length === 0)
    throw new UserError(
      `dynamax: expected documents of at least ${SHORTEST} tokens, got ${prompts.length} shorter ones`,
      2,
    );
  const texts = long.map(({ prompt }) => ({
    hash: createHash("sha256").update(prompt.join()).digest("hex"),
    ...watchedText(exits, prompt.slice(0, PROMPT), prompt.slice(PROMPT)),
  }));
  await host.read(texts);
  return texts.map(({ hash, seen }) => ({ hash, tokens: seen }));
}

/** The laxest threshold of one decider that keeps a risk; undefined if not even the strictest does. */
function laxest(
  documents: readonly Watched[],
  { layers }: ExitsFile,
  depth: number,
  decider: number,
  bound: { readonly risk: number; readonly confidence: number },
) {
  const lossesAt = (threshold: number) => {
    const items = documents.map(({ hash, tokens }) => ({ group: hash, loss: lossOf(tokens, decider, threshold) }));
    return groupLosses("unit", items);
  };
  const found = certifiedOf(thresholdGrid, (threshold) => pValue(lossesAt(threshold), bound), bound.confidence).at(-1);
  if (!found) return undefined;
  const { candidate: threshold, p } = found;
  const losses = lossesAt(threshold).values;
  const runs = documents.flatMap(({ tokens }) =>
    tokens.map((token) => layers[exitTaken(token, decider, threshold)] ?? depth),
  );
  return { ...bound, threshold, p, mean: average(losses), depth: average(runs) };
}

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The number of the exit that a token takes; −1: none. */
const exitTaken = (exits: ExitsSeen, decider: number, threshold: number): number =>
  exits.findIndex(({ probabilities }) => probabilities[decider]! >= threshold);

/** The share of a document's tokens that are not dense's. */
function lossOf(tokens: readonly ExitsSeen[], decider: number, threshold: number): number {
  const lost = tokens.filter((exits) => exits[exitTaken(exits, decider, threshold)]?.differs);
  return lost.length / tokens.length;
}

function described(deciders: readonly DeciderFile[], risks: readonly number[], { form }: CalibrationHost): string {
  const own = deciders.map(({ kind, thresholds = [] }) => {
    const here = thresholds.filter((each) => form === undefined || formDifference(each, form) === undefined);
    const found = risks.map((risk) => `${risk}: ${here.find((each) => each.risk === risk)?.threshold ?? "none"}`);
    return `${kind} ${found.join(", ")}`;
  });
  return `thresholds by risk: ${own.join("; ")}`;
}
