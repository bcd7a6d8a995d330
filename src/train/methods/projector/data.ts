import type { LatentSource, LatentTerms } from "../../../engine/diffusion/plan/latents.ts";
import { type Around, executorPrompt, type Template } from "../../../engine/diffusion/plan/template.ts";
import { inFile, UserError } from "../../../util/errors.ts";
import { seededRandom } from "../../../util/random.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { type Batch, NONE_DROPPED, type PlacedLatents, type TrainingData } from "../../data/batch.ts";
import { readText } from "../../data/files.ts";
import { epochOrder, permutation } from "../../data/order.ts";
import { got } from "../../data/reading.ts";
import { readRecords } from "../../data/records.ts";

/** A question with its answer. */
interface QuestionWithAnswer {
  readonly question: string;
  readonly answer: string;
}

/** Reads questions with answers from JSON lines. @throws UserError with file and line */
export const readQuestions = (files: readonly string[]): QuestionWithAnswer[] =>
  files.flatMap((file) =>
    readRecords(file, readText(file)).map(({ where, record }) =>
      inFile(where, () => {
        if (record.kind === "completion") return { question: record.prompt, answer: record.completion };
        throw new UserError(`expected "prompt" (a question) and "completion" (its answer), got ${got(record)}`);
      }),
    ),
  );

/** A row of the executor's prompt with room for latent vectors, then the answer, whose tokens are labels. */
export interface PlannedRow {
  readonly ids: Int32Array;
  readonly labels: Int32Array;
  readonly latents: PlacedLatents;
}

/** Builds a row per question, computing its latent vectors once, since both models are frozen. */
export async function plannedRows(
  questions: readonly QuestionWithAnswer[],
  { tokenizer, template, source }: { tokenizer: Tokenizer; template: Template; source: LatentSource },
  terms: LatentTerms,
): Promise<PlannedRow[]> {
  const rows: PlannedRow[] = [];
  for (const { question, answer } of questions) {
    const { states } = await source.latents(question, terms);
    const end = tokenizer.eos === undefined ? [] : [tokenizer.eos];
    const around = executorPrompt(tokenizer, template, question, true);
    rows.push(rowOf(around, [...tokenizer.encode(answer), ...end], states, terms.tokens));
  }
  return rows;
}

/** Builds a row whose position i predicts token i + 1; only the answer's tokens are labels. */
function rowOf(
  { before, behind }: Around,
  answer: readonly number[],
  states: Float32Array,
  tokens: number,
): PlannedRow {
  const prompt = [...before, ...new Array<number>(tokens).fill(0), ...behind];
  const all = [...prompt, ...answer];
  const labels = Int32Array.from(all.slice(1), (id, i) => (i + 1 >= prompt.length ? id : -1));
  return { ids: Int32Array.from(all.slice(0, -1)), labels, latents: { at: before.length, states } };
}

/** Splits rows into training data and a held-out share. */
export function splitRows(rows: readonly PlannedRow[], share: number): readonly [PlannedRow[], PlannedRow[]] {
  const count = Math.min(Math.round(rows.length * share), Math.max(0, rows.length - 1));
  const drawn = new Set(permutation(rows.length, seededRandom(0)).subarray(0, count));
  return [rows.filter((_, i) => !drawn.has(i)), rows.filter((_, i) => drawn.has(i))];
}

/** The number of tokens in the longest row. */
export const longestOf = (rows: readonly PlannedRow[]): number =>
  rows.reduce((most, { ids }) => Math.max(most, ids.length), 2);

/** Batches of `size` rows of `tokens` positions, each row once per epoch; rows without labels pad the last batch. */
export function plannedBatches(
  all: readonly PlannedRow[],
  { size, tokens, seed }: { readonly size: number; readonly tokens: number; readonly seed?: number },
): TrainingData {
  const batches = Math.ceil(all.length / size);
  const orderOf = epochOrder(all.length, seed);
  return {
    ...{ rows: size, tokens, batches, samples: all.length, dropped: NONE_DROPPED },
    batch(index) {
      const first = (index % batches) * size;
      const places = orderOf(Math.floor(index / batches)).subarray(first, first + size);
      return joined(
        Array.from(places, (place) => all[place]!),
        size,
        tokens,
      );
    },
  };
}

function joined(some: readonly PlannedRow[], rows: number, tokens: number): Batch {
  const [ids, labels] = [new Int32Array(rows * tokens), new Int32Array(rows * tokens).fill(-1)];
  for (const [i, row] of some.entries()) {
    ids.set(row.ids, i * tokens);
    labels.set(row.labels, i * tokens);
  }
  const labelled = labels.reduce((sum, label) => sum + Number(label >= 0), 0);
  const latents = some.map((row) => row.latents);
  return { ...{ rows, tokens, ids, labels, labelled }, samples: some.length, latents };
}
