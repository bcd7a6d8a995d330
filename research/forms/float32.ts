/**
 * Measures how far a model's next-token distributions are from float32's if some matrices are float32, and all others
 * as by default: `npx tsx research/forms/float32.ts MODEL '' 'attn_[qkv]\.' 'blk\.2[5-9]\.' …`, each a pattern of
 * tensors' names; an empty one names none. Measured on the greedy float32 answers to plain questions. Prints the mean
 * divergence over the likeliest tokens, in nats, and how often another one is the likeliest.
 */
import { rmSync } from "node:fs";
import path from "node:path";
import { LanguageModel } from "../../src/engine/decode/language-model.ts";
import { openAdapted } from "../../src/engine/file/adapters.ts";
import { load } from "../../src/index.ts";
import { Model } from "../../src/library/model.ts";
import { preparedFolder, type ResolvedModel, resolveModel } from "../../src/weights/sources/index.ts";
import { questionsIn } from "../first-minute/judge.ts";

const QUESTIONS = 32;
/** Tokens of an answer. */
const TOKENS = 40;
const LIKELIEST = 20;
const VARIANT = "float32-measured";

type Likeliest = readonly { readonly id: number; readonly logprob: number }[];
interface Text {
  readonly ids: readonly number[];
  /** The place at which the answer begins. */
  readonly from: number;
}

const [name = "smollm2", ...patterns] = process.argv.slice(2);
const source = await resolveModel(name);
const { texts, expected } = await reference();
for (const pattern of patterns) {
  using model = await withFloats(source, pattern);
  console.log(JSON.stringify({ pattern, ...compared(await likeliest(model, texts)) }));
}
rmSync(path.join(preparedFolder(source.path), VARIANT), { recursive: true, force: true });

async function reference(): Promise<{ texts: Text[]; expected: Likeliest[] }> {
  using model = await load(name, { quant: "f32" });
  const prompts = questionsIn("choosing.jsonl")
    .slice(0, QUESTIONS)
    .map((it) => model.language.encode(it.question, false));
  const answers = await model.completeAll(prompts.map((prompt) => ({ prompt, maxTokens: TOKENS })));
  const texts = answers.map(({ tokens }, i) => ({
    ids: [...prompts[i]!, ...tokens.map(({ id }) => id)],
    from: prompts[i]!.length,
  }));
  return { texts, expected: await likeliest(model, texts) };
}

/** The likeliest tokens in each place of the answers. */
async function likeliest(model: Model, texts: readonly Text[]): Promise<Likeliest[]> {
  const all: Likeliest[] = [];
  for (const { ids, from } of texts) {
    const { prompt } = await model.complete(ids, { promptLogprobs: LIKELIEST, maxTokens: 0 });
    all.push(...prompt!.slice(from).map(({ top }) => top!));
  }
  return all;
}

/** The model as by default, but for the tensors that a pattern names. */
async function withFloats(source: ResolvedModel, pattern: string): Promise<Model> {
  const files = await openAdapted(source.path, {});
  const { checkpoint } = files;
  const floats = (tensor: string) => pattern !== "" && new RegExp(pattern).test(tensor);
  rmSync(path.join(preparedFolder(source.path), VARIANT), { recursive: true, force: true });
  const form: typeof checkpoint.form = (tensor) => (floats(tensor.name) ? undefined : checkpoint.form(tensor));
  const changed = { ...files, checkpoint: { ...checkpoint, variant: VARIANT, form } };
  return Model.open(await LanguageModel.load(source, "auto", changed), [], performance.now());
}

function compared(got: readonly Likeliest[]) {
  const divergences = expected.map((top, i) => divergence(top, got[i]!));
  const others = expected.filter((top, i) => top[0]!.id !== got[i]![0]!.id).length;
  return { nats: divergences.reduce((a, b) => a + b, 0) / divergences.length, others, of: expected.length };
}

/** Divergence of the second from the first; a token missing from the second counts as likely as its last one. */
function divergence(expected: Likeliest, got: Likeliest): number {
  const known = new Map(got.map(({ id, logprob }) => [id, logprob]));
  const nats = expected.map(
    ({ id, logprob }) => Math.exp(logprob) * (logprob - (known.get(id) ?? got.at(-1)!.logprob)),
  );
  return Math.max(
    0,
    nats.reduce((a, b) => a + b, 0),
  );
}
