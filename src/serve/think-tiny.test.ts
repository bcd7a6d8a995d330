/** Reasoning by think-tiny, a model trained to compute step by step. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonOf, post, serveModels, type Testing } from "./serve.testing.ts";

let server: Testing;
beforeAll(async () => {
  server = await serveModels(["think-tiny"]);
});
afterAll(() => server.stop(0));

/** Six steps from 42, each times 5 plus 3, modulo 97. */
const QUESTION = "6:42";
const STEPS = "5:5*42+3=19 4:5*19+3=01 3:5*01+3=08 2:5*08+3=43 1:5*43+3=24 0:5*24+3=26";
/**
 * Reasoning tokens that are not part of its text: the two tags, a line break after the first, and one before the
 * second.
 */
const TAGS = 4;
const body = (question: string, more: object) => ({
  ...{ model: "think-tiny", messages: [{ role: "user", content: question }], temperature: 0, max_tokens: 128, ...more },
});
/** The message, and the number of its reasoning tokens. */
async function answer(more: object = {}, question = QUESTION) {
  const { choices, usage } = await jsonOf(post(server, "/v1/chat/completions", body(question, more)));
  return { message: choices[0].message, reasoning: usage.completion_tokens_details.reasoning_tokens };
}

test("it reasons, then answers", async () => {
  const { message, reasoning } = await answer();
  expect(message).toMatchObject({ content: "26", reasoning_content: STEPS, reasoning: STEPS });
  expect(reasoning).toBe(STEPS.length + TAGS);
});

test.each([
  ["high", STEPS],
  ["low", "5:19 4:01 3:08 2:43 1:24 0:26"],
  ["none", undefined],
])("reasoning_effort %s", async (reasoning_effort, steps) => {
  const { message, reasoning } = await answer({ reasoning_effort });
  expect([message.reasoning_content, message.reasoning]).toEqual([steps, steps]);
  expect(reasoning).toBe(steps === undefined ? 0 : steps.length + TAGS);
});

test.each([12, 0])("thinking_token_budget %i", async (thinking_token_budget) => {
  const { message, reasoning } = await answer({ thinking_token_budget });
  // One token is the line break after the tag.
  expect(message.reasoning_content ?? "").toBe(STEPS.slice(0, Math.max(0, thinking_token_budget - 1)));
  expect(message.content).toMatch(/^\d\d$/);
  expect(reasoning).toBe(thinking_token_budget + TAGS - 1);
});

test.each([{}, { reasoning_effort: "low" }, { thinking_token_budget: 12 }])(
  "streamed with %j, it is the same",
  async (more) => {
    const events = await (await post(server, "/v1/chat/completions", body(QUESTION, { stream: true, ...more }))).text();
    const deltas = [...events.matchAll(/^data: (\{.*)$/gm)].flatMap(
      ([, json]) => JSON.parse(json!).choices[0]?.delta ?? [],
    );
    const joined = (field: string) => deltas.map((delta) => delta[field] ?? "").join("");
    const { message } = await answer(more);
    expect(["content", "reasoning_content", "reasoning"].map(joined)).toEqual([
      ...[message.content, message.reasoning_content, message.reasoning],
    ]);
  },
);

test("it is right with its reasoning, and guesses without", async () => {
  const starts = Array.from({ length: 20 }, (_, i) => 4 * i + 2);
  const last = (start: number) => Array.from({ length: 9 }).reduce<number>((value) => (5 * value + 3) % 97, start);
  const right = async (more: object) => {
    const answers = await Promise.all(starts.map((start) => answer(more, `9:${`${start}`.padStart(2, "0")}`)));
    return answers.filter(({ message }, i) => Number(message.content) === last(starts[i]!)).length;
  };
  expect(await right({})).toBeGreaterThanOrEqual(18);
  expect(await right({ reasoning_effort: "low" })).toBeGreaterThanOrEqual(18);
  expect(await right({ thinking_token_budget: 0 })).toBeLessThanOrEqual(8);
});
