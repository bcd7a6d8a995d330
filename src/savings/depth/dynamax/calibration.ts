import path from "node:path";
import type { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { sha256Of } from "../../../util/hash.ts";
import { mean } from "../../../util/mean.ts";
import { certifiedOf } from "../../../util/risk/fixed-sequence.ts";
import { groupLosses } from "../../../util/risk/groups.ts";
import { pValue } from "../../../util/risk/p-value.ts";
import type { CalibrationHost, CalibrationPrompt, Learnt } from "../../calibration.ts";
import { formDifference } from "../../notice-form.ts";
import { checkFill, requireExits } from "../checks.ts";
import type { CertifiedThreshold, DeciderFile, Exits } from "../exits/artefact.ts";
import type { DeciderKind } from "../exits/deciders.ts";
import { findExits } from "../exits/opened.ts";
import type { calibrationOptions } from "./options.ts";
import { thresholdGrid } from "./thresholds.ts";
import { type ExitsSeen, watchedText } from "./watched-text.ts";

/** The number of tokens at a document's start that run as a prompt, through all layers. */
const PROMPT = 16;

/** The minimum length of a test document in tokens. */
const SHORTEST = 32;

/**
 * Finds each classifier's laxest threshold that is certified for a risk, by Learn then Test on documents not used in
 * training. The thresholds are for fill=recompute: every layer then has the same states as a dense run of the same
 * text, so one dense pass over the document shows the exits at any threshold.
 */
export async function learnThresholds(
  host: CalibrationHost,
  prompts: readonly CalibrationPrompt[],
  { file, risk, confidence }: z.output<typeof calibrationOptions>,
): Promise<Learnt> {
  requireExits("dynamax", host.decoder);
  const exits = await findExits("dynamax", host, file);
  if (!exits) throw new UserError("dynamax: there are no trained exits for this model, so no thresholds to certify", 2);
  checkFill("dynamax", "recompute", exits.metadata.layers[0]!, host.decoder);
  const classifiers = exits.metadata.deciders.filter(({ kind }) => kind !== "controller");
  if (classifiers.length === 0) throw new UserError(`dynamax: ${exits.folder} has no classifier, only heads`, 2);
  const documents = await watch(host, exits, classifiers, prompts);
  const items = { count: new Set(documents.map(({ hash }) => hash)).size, sha256: host.textsSha256 };
  const { layers } = host.decoder.config;
  const certified = classifiers.map(({ kind }, i) => ({
    kind,
    thresholds: risk.flatMap((each): CertifiedThreshold[] => {
      const certified = laxest(documents, [...exits.metadata.layers, layers], i, { risk: each, confidence });
      return certified ? [{ ...certified, loss: "token-disagreement", fill: "recompute", ...host.form, items }] : [];
    }),
  }));
  const deciders = exits.metadata.deciders.map((decider) => {
    const found = certified.find(({ kind }) => kind === decider.kind);
    return found ? { ...decider, thresholds: [...ofOtherForms(decider, host), ...found.thresholds] } : decider;
  });
  return {
    artefact: { ...exits.metadata, deciders },
    summary: `${items.count} documents; thresholds by risk: ${certified.map((each) => inWords(each, risk)).join("; ")}`,
    use: (written) => `dynamax:${riskOf(certified)}file=${path.dirname(written)}`,
  };
}

/** A classifier's certified thresholds. */
interface CertifiedThresholds {
  readonly kind: DeciderKind;
  readonly thresholds: readonly CertifiedThreshold[];
}

/** Thresholds certified for a different form of the weights. */
const ofOtherForms = ({ thresholds = [] }: DeciderFile, { form }: CalibrationHost): CertifiedThreshold[] =>
  thresholds.filter((each) => form !== undefined && formDifference(each, form) !== undefined);

/** A document, and every exit's results at each token. */
interface WatchedDocument {
  readonly hash: string;
  readonly tokens: readonly ExitsSeen[];
}

/** @throws UserError if all documents are too short */
async function watch(
  host: CalibrationHost,
  exits: Exits,
  classifiers: readonly DeciderFile[],
  prompts: readonly CalibrationPrompt[],
): Promise<WatchedDocument[]> {
  const long = prompts.filter(({ prompt }) => prompt.length >= SHORTEST);
  if (long.length === 0)
    throw new UserError(
      `dynamax: expected documents of at least ${SHORTEST} tokens, got only shorter ones (${prompts.length})`,
      2,
    );
  const texts = long.map(({ prompt }) => ({
    hash: sha256Of(prompt.join()),
    ...watchedText(exits, classifiers, prompt.slice(0, PROMPT), prompt.slice(PROMPT)),
  }));
  await host.read(texts);
  return texts.map(({ hash, seen }) => ({ hash, tokens: seen }));
}

/**
 * One classifier's laxest threshold that is certified for a risk; undefined if even the strictest is not. `depths`: the
 * number of layers before each exit, and of the whole model.
 */
function laxest(
  documents: readonly WatchedDocument[],
  depths: readonly number[],
  classifier: number,
  bound: { readonly risk: number; readonly confidence: number },
) {
  const lossesAt = (threshold: number) => {
    const items = documents.map(({ hash, tokens }) => ({ group: hash, loss: lossOf(tokens, classifier, threshold) }));
    return groupLosses("unit", items);
  };
  const found = certifiedOf(thresholdGrid, (threshold) => pValue(lossesAt(threshold), bound), bound.confidence).at(-1);
  if (!found) return undefined;
  const { candidate: threshold, p } = found;
  const losses = lossesAt(threshold).values;
  const runs = documents.flatMap(({ tokens }) =>
    tokens.map((token) => depths.at(exitTaken(token, classifier, threshold))!),
  );
  return { ...bound, threshold, p, mean: mean(losses), depth: mean(runs) };
}

/** The index of the exit that a token takes; −1 if it takes none. */
const exitTaken = (exits: ExitsSeen, classifier: number, threshold: number): number =>
  exits.findIndex(({ probabilities }) => probabilities[classifier]! >= threshold);

/** The share of a document's tokens that differ from a dense run's tokens, at a classifier's threshold. */
export function lossOf(tokens: readonly ExitsSeen[], classifier: number, threshold: number): number {
  const lost = tokens.filter((exits) => exits[exitTaken(exits, classifier, threshold)]?.differs);
  return lost.length / tokens.length;
}

const inWords = ({ kind, thresholds }: CertifiedThresholds, risks: readonly number[]): string =>
  `${kind} ${risks.map((risk) => `${risk}: ${thresholds.find((each) => each.risk === risk)?.threshold ?? "none"}`).join(", ")}`;

/** Options that select the first classifier with a certified threshold, and its greatest certified risk. */
function riskOf(certified: readonly CertifiedThresholds[]): string {
  const found = certified.find(({ thresholds }) => thresholds.length > 0);
  return found ? `classifier=${found.kind},risk=${found.thresholds.at(-1)!.risk},` : "";
}
