import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Chunk, load, type Model, type Receipt, type RunOptions } from "../src/index.ts";
import { shippedFolder } from "../src/weights/sources/index.ts";

/** The shipped diffusion language model. */
let model: Model;
beforeAll(async () => {
  model = await load("planner-tiny");
});
afterAll(() => model.dispose());
const folder = mkdtempSync(path.join(tmpdir(), "modicum-diffusion-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Star graphs outside the model's training: edges, and the path to plan. */
const QUESTIONS = `
  cd,ah,ce,ea,db,bg|cg4= dc,cf,fh,da,ab,bg|dg4= fe,eb,dg,fh,bc,hd|fg4= ca,fh,gf,dc,hb,gd|ga4=
  hc,ea,he,dg,cd,ab|hb4= ba,fd,dc,gf,ah,gb|gh4= db,ac,be,gf,gd,fa|ge4= hd,hg,dc,ge,ca,eb|ha4=
  fa,ec,ed,cf,dh,hg|ea4= ac,bh,ga,df,dg,fb|dc4= ea,eg,fc,gb,af,bd|ec4= ga,bc,bf,cg,fh,hd|ba4=
  eh,ae,ab,dg,hf,bd|af4= bf,fg,dh,eb,ed,ha|ea4= fh,ac,ha,be,db,fd|fe4= ga,fh,ac,bf,he,bg|be4=
`
  .trim()
  .split(/\s+/);
const [QUESTION] = QUESTIONS as [string];
const TOKENS = 6;

const optionsOf = (diffusion: RunOptions["diffusion"], more: RunOptions = {}): RunOptions => ({
  ...{ raw: true, maxTokens: TOKENS, diffusion },
  ...more,
});
const passes = ({ work }: Receipt) => work!["passes"]!;

test("an answer streams by block, and its pieces form the whole", async () => {
  const options = optionsOf({ block: 2, ends: "never" });
  const pieces: Chunk[] = [];
  for await (const piece of model.generate(QUESTION, options)) pieces.push(piece);
  expect(pieces.map(({ tokens }) => tokens.length)).toEqual([2, 2, 2]);
  const { text, finishReason, receipt } = await model.complete(QUESTION, options);
  expect(pieces.map((piece) => piece.text).join("")).toBe(text);
  expect(text).toHaveLength(TOKENS);
  expect(finishReason).toBe("length");
  expect(passes(receipt)).toEqual({ dense: TOKENS, run: TOKENS });
  expect(receipt.tokens).toMatchObject({ cached: 0, completion: TOKENS });
});

test("an answer ends at its first end token, and later blocks do not run", async () => {
  const { text, tokens, finishReason, receipt } = await model.complete(QUESTION, optionsOf({ block: 1 }));
  expect(finishReason).toBe("stop");
  expect(tokens.length).toBe(text.length + 1);
  expect(passes(receipt).run).toBe(tokens.length);
  expect(tokens.length).toBeLessThan(TOKENS);
});

test("with a cache refreshed each block most tokens are the same, for fewer FLOPs", async () => {
  let [same, all] = [0, 0];
  for (const question of QUESTIONS) {
    const [whole, cached] = [
      await model.complete(question, optionsOf({ block: 2, ends: "never" })),
      await model.complete(question, optionsOf({ block: 2, ends: "never", cache: true })),
    ];
    same += whole.tokens.filter(({ id }, i) => id === cached.tokens[i]?.id).length;
    all += TOKENS;
    expect(cached.receipt.flops.dense).toBe(whole.receipt.flops.spent);
    expect(cached.receipt.flops.saved).toBeGreaterThan(0.2);
  }
  expect(same / all).toBeGreaterThan(0.95);
});

test("a threshold takes as many passes as it needs, and is billed for them", async () => {
  const { receipt: eager } = await model.complete(QUESTION, optionsOf({ threshold: 0, ends: "never" }));
  expect(passes(eager)).toEqual({ dense: TOKENS, run: 1 });
  const { receipt: careful } = await model.complete(QUESTION, optionsOf({ threshold: 1.1, ends: "never" }));
  expect(passes(careful).run).toBe(TOKENS);
  expect(careful.flops.spent).toBeGreaterThan(3 * eager.flops.spent);
});

test("the seed determines a sampled answer", async () => {
  const drawn = async (seed: number) =>
    (await model.complete(QUESTION, optionsOf({ ends: "never" }, { temperature: 4, seed }))).text;
  const first = await drawn(1);
  expect(await drawn(1)).toBe(first);
  expect(new Set([first, await drawn(2), await drawn(3), await drawn(4)]).size).toBeGreaterThan(1);
});

test("a stopped answer has the receipt of its passes", async () => {
  const stop = new AbortController();
  const stopped: Receipt[] = [];
  const options = optionsOf({ block: 1, ends: "never" }, { signal: stop.signal, onStopped: (it) => stopped.push(it) });
  const reading = async () => {
    for await (const _ of model.generate(QUESTION, options)) stop.abort();
  };
  await expect(reading()).rejects.toThrow();
  expect(passes(stopped[0]!).run).toBeLessThan(TOKENS);
});

test.each([
  [{ logprobs: 1 }, "fills in masked tokens; expected no logprobs"],
  [{ topP: 0.5 }, "fills in masked tokens: only temperature and seed apply, not topP"],
  [{ logitBias: { 3: 5 } }, "not logitBias"],
  [{ suffix: "x" }, "fills in masked tokens; expected no suffix"],
  [{ maxTokens: 4000 }, "reads at most 256"],
])("%o is refused", async (more, sentence) => {
  await expect(model.complete(QUESTION, optionsOf({}, more))).rejects.toThrow(sentence);
});

test("a vocabulary without a mask token is refused", async () => {
  const copy = path.join(folder, "maskless");
  cpSync(shippedFolder("planner-tiny"), copy, { recursive: true });
  const file = path.join(copy, "tokenizer.json");
  const tokenizer = JSON.parse(readFileSync(file, "utf8"));
  tokenizer.added_tokens = tokenizer.added_tokens.filter(({ content }: { content: string }) => !/mask/.test(content));
  writeFileSync(file, JSON.stringify(tokenizer));
  await expect(load(copy)).rejects.toThrow(/the vocabulary of \d+ tokens has no mask token, expected "mask_token_id"/);
});
