import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { receiptSchema } from "../ledger/receipt.ts";
import { trainPlanners } from "../library/plan.testing.ts";
import { Catalogue } from "./models/catalogue.ts";
import { jsonOf, post, serveModels, type Testing } from "./serve.testing.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-planned-"));
const MODEL = "plans+answers";
let server: Testing;
beforeAll(async () => {
  await trainPlanners(root);
  // A user's own projectors are found by the models' hashes.
  vi.stubEnv("MODICUM_HOME", path.join(root, "home"));
  cpSync(path.join(root, "projector"), path.join(root, "home", "plans", "tiny"), { recursive: true });
  server = await serveModels([`plans=${path.join(root, "planner")}`, `answers=${path.join(root, "executor")}`, MODEL]);
});
afterAll(async () => {
  await server.stop(0);
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

const messages = [{ role: "user", content: "abca" }];
const ask = (more: object = {}) => post(server, "/v1/chat/completions", { model: MODEL, messages, ...more });

test.each(["latent", "text", "none"])("a chat is answered with the plan as %s", async (channel) => {
  const { choices, plan, usage, receipt } = await jsonOf(ask({ planning: { channel, ends: "never" } }));
  expect(choices).toHaveLength(1);
  const tokens = channel === "none" ? 0 : 4;
  expect(plan).toMatchObject({ channel, tokens });
  expect(plan.text).toHaveLength(tokens);
  expect(usage.completion_tokens_details).toEqual({ reasoning_tokens: tokens });
  expect(usage.completion_tokens).toBe(receipt.tokens.completion + tokens);
  expect(receiptSchema.parse(receipt)).toMatchObject({ model: MODEL, recipe: [`plan:channel=${channel}`] });
  expect(receipt.work.calls).toEqual({ plans: { dense: 0, run: tokens / 4 }, answers: { dense: 1, run: 1 } });
});

test("a stream begins with the plan, before any text, and ends with the receipt of both", async () => {
  const text = await (await ask({ stream: true, planning: { ends: "never", steps: 2 } })).text();
  const events = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!));
  expect(events[0].plan).toMatchObject({ channel: "latent", tokens: 4, passes: 3 });
  expect(events[0].plan.text).toHaveLength(4);
  expect(events[0].choices[0].delta).toEqual({ role: "assistant", content: null });
  expect(receiptSchema.parse(events.at(-1).receipt).flops.overhead).toBeGreaterThan(0);
});

test("the pair is among the server's models, and answers only chats", async () => {
  const { data } = await jsonOf(fetch(`${server.url}/v1/models`));
  expect(data.find(({ id }: { id: string }) => id === MODEL)).toMatchObject({
    ...{ recipe: ["plan"], plan: { planner: "plans", executor: "answers" } },
  });
  const response = await post(server, "/v1/completions", { model: MODEL, prompt: "abca" });
  expect(response.status).toBe(400);
  expect((await jsonOf(response)).error.message).toContain("which only POST /v1/chat/completions takes");
});

test("the planner alone completes texts, block by block", async () => {
  const request = { model: "plans", prompt: "abca=", max_tokens: 4, temperature: 0 };
  const diffusion = { block_length: 2, steps: 2, ends: "never" };
  const whole = await jsonOf(post(server, "/v1/completions", { ...request, diffusion }));
  expect(whole.choices[0].text).toHaveLength(4);
  expect(receiptSchema.parse(whole.receipt).work).toMatchObject({ passes: { dense: 2, run: 2 } });
  const text = await (await post(server, "/v1/completions", { ...request, diffusion, stream: true })).text();
  const events = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!).choices[0].text);
  expect(events.map(({ length }: string) => length)).toEqual([2, 2]);
  expect(events.join("")).toBe(whole.choices[0].text);
  const refused = async (more: object) =>
    (await jsonOf(post(server, "/v1/completions", { ...request, ...more }))).error;
  expect(await refused({ diffusion: { block_length: 3 } })).toMatchObject({
    message: expect.stringContaining("block: 3 does not divide the 4 tokens to fill in"),
    type: "invalid_request_error",
  });
  const { message } = await refused({ model: "answers", diffusion });
  expect(message).toContain("does not fill in masked tokens; expected no diffusion options");
});

test.each([
  [{ planning: { channel: "latent", max_plan_tokens: 3 } }, 400, "trained for plans of 4 tokens, got 3"],
  [{ planning: { channel: "text", block_length: 3 } }, 400, "block: 3 does not divide"],
  [{ planning: { channel: "pigeon" } }, 400, "planning.channel"],
  [{ diffusion: { steps: 2 } }, 400, "diffusion: expected none with a planner"],
  [{ n: 2 }, 400, "n: expected none with a planner"],
  [{ savings: ["exit"] }, 400, "savings: expected none with a planner"],
  [{ model: "answers", planning: { channel: "text" } }, 400, "expected a model PLANNER+EXECUTOR"],
  [{ model: "answers+plans" }, 400, "plans fills in masked tokens"],
  [{ model: "plans+others" }, 404, 'no model is called "others"'],
  [{ messages: [{ role: "user", content: " " }] }, 400, "messages: the last user turn is the question"],
  [{ planning: { channel: "text", threshold: -1 } }, 400, "planning.threshold: must be at least 0"],
])("%o is refused", async (more, status, sentence) => {
  const response = await ask(more);
  expect((await jsonOf(response)).error.message).toContain(sentence);
  expect(response.status).toBe(status);
});

test("twenty requests over memory for one model: none waits for itself", async () => {
  const specs = [`plans=${path.join(root, "planner")}`, `answers=${path.join(root, "executor")}`];
  const memory = Math.max(...(await Catalogue.open(specs)).list().map(({ source }) => source.bytes));
  const narrow = await serveModels([...specs, MODEL], { memory });
  const body = { model: MODEL, messages, temperature: 0, planning: { ends: "never" } };
  const all = Array.from({ length: 20 }, () => jsonOf(post(narrow, "/v1/chat/completions", body)));
  const answers = await Promise.all(all);
  expect(new Set(answers.map(({ choices, plan }) => `${plan.text} ${choices[0].message.content}`)).size).toBe(1);
  await narrow.stop(0);
});
