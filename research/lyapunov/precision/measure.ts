import { z } from "zod";
import { tokenizerOf } from "../../../src/engine/file/tokenizer-of.ts";
import { type PrecisionPolicy, precisionPolicies } from "../../../src/graph/index.ts";
import { UserError } from "../../../src/index.ts";
import { openDecoder } from "../../../src/models/registry.ts";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { preparedFolder, type ResolvedModel } from "../../../src/weights/sources/index.ts";
import { norm } from "../../common/norm.ts";
import { type Divergence, divergences, meanOf } from "./divergence.ts";
import { type OpenModel, PARTS, type TextRun, withRuns } from "./logits.ts";

export const precisionOptions = z.strictObject({
  tokens: z.int().min(16).max(8192).default(512).describe("tokens of a window; at most the model's context"),
  windows: z.int().min(1).max(64).default(4).describe("windows of the text, one after another"),
});
export type PrecisionOptions = z.output<typeof precisionOptions>;

export const SIMULATED =
  "Simulated by rounding to the nearest, ties to even, in float32; amp rounds what products read and give, a recurrent " +
  "state and its decays stay float32. pure-bf16 rounds weights, every operator's result and, after each token, the state.";

/** A model in a precision, or another model in float32, against the model in float32. */
export interface ArmDivergence extends Divergence {
  readonly arm: string;
  /** The standard error of `kl` over windows; null with one window. */
  readonly standardError: number | null;
  /** By position in the window, in equal parts. */
  readonly parts: readonly Divergence[];
  /** How far a recurrent model's states are at the end of each part, as a share of their norm; null: no states. */
  readonly states: readonly number[] | null;
  /** KL of the last part divided by KL of the first. */
  readonly lateToEarly: number;
}

export interface PrecisionReport {
  readonly model: string;
  readonly architecture: string;
  readonly tokens: number;
  readonly windows: number;
  readonly arms: readonly ArmDivergence[];
  readonly note: string;
}

/** A model's divergence under each precision, and that of other models. @throws UserError */
export async function measurePrecision(
  source: ResolvedModel,
  others: readonly ResolvedModel[],
  text: string,
  options: PrecisionOptions,
): Promise<PrecisionReport> {
  const { model, architecture, encode } = await opened(source);
  const { context, vocabulary } = model.decoder.config;
  const tokens = Math.min(options.tokens, context);
  const windows = windowsOf(encode(text), tokens, options.windows);
  const plain = await runsOf(model, "fp32", windows);
  const compared = (arm: string, found: readonly TextRun[]): ArmDivergence => {
    const each = found.map(({ logits }, i) => divergences(plain[i]!.logits, logits, vocabulary, PARTS));
    const parts = Array.from({ length: PARTS }, (_, part) => meanOf(each.map((window) => window[part]!)));
    const kls = each.map((window) => meanOf(window).kl);
    const lateToEarly = parts.at(-1)!.kl / parts[0]!.kl;
    const states = stateErrors(plain, found);
    return { arm, ...meanOf(parts), standardError: standardError(kls), parts, states, lateToEarly };
  };
  const arms: ArmDivergence[] = [];
  for (const precision of precisionPolicies.slice(1))
    arms.push(compared(precision, await runsOf(model, precision, windows)));
  for (const other of others) {
    const { model: second } = await opened(other);
    if (second.decoder.config.vocabulary !== vocabulary)
      throw new UserError(
        `${other.name}: its vocabulary is not ${source.name}'s; expected a model over the same tokens`,
      );
    arms.push(compared(other.name, await runsOf(second, "fp32", windows)));
  }
  return { ...{ model: source.name, architecture, tokens, windows: windows.length, arms }, note: SIMULATED };
}

async function opened({ path }: ResolvedModel) {
  const checkpoint = openCheckpoint(path);
  const model = await openDecoder(checkpoint, preparedFolder(path), "f32");
  const tokenizer = tokenizerOf(checkpoint, model.decoder.config.vocabulary);
  return { model, architecture: checkpoint.architecture, encode: (text: string) => tokenizer.encode(text) };
}

/** @throws UserError for a text that is too short */
function windowsOf(ids: readonly number[], tokens: number, most: number): number[][] {
  const count = Math.min(most, Math.floor(ids.length / tokens));
  if (count === 0)
    throw new UserError(`the text is too short: it has ${ids.length} tokens, expected at least a window of ${tokens}`);
  return Array.from({ length: count }, (_, i) => ids.slice(i * tokens, (i + 1) * tokens));
}

const runsOf = (model: OpenModel, precision: PrecisionPolicy, windows: readonly number[][]): Promise<TextRun[]> =>
  withRuns(model, precision, async (run) => {
    const found: TextRun[] = [];
    for (const ids of windows) found.push(await run(ids));
    return found;
  });

/** Means over windows; null if the models have no states, or states of different shapes. */
function stateErrors(plain: readonly TextRun[], found: readonly TextRun[]): number[] | null {
  const [first, second] = [plain[0]!.states, found[0]!.states];
  if (first.length === 0 || first[0]!.length !== second[0]?.length) return null;
  const error = (window: number, part: number) => {
    const [a, b] = [plain[window]!.states[part]!, found[window]!.states[part]!];
    return norm(a.map((value, i) => value - b[i]!)) / norm(a);
  };
  return first.map((_, part) => plain.reduce((sum, _run, window) => sum + error(window, part), 0) / plain.length);
}

function standardError(values: readonly number[]): number | null {
  const n = values.length;
  if (n < 2) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1) / n);
}
