import { beforeAll, expect, test } from "vitest";
import { openGguf } from "../../../weights/gguf/index.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { fromGguf, Tokenizer } from "../../../weights/tokenizer/index.ts";
import { grammarOf, TriggeredGrammar } from "./index.ts";

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = new Tokenizer(fromGguf(openGguf((await resolveModel("smollm2")).path).metadata));
});

const schema = { type: "object", properties: { a: { enum: [1, 2] } }, required: ["a"], additionalProperties: false };

/** The number of tokens allowed after `text`, in an answer constrained to the schema after each `<call>`. */
async function after(text: string, once = false) {
  const held = new TriggeredGrammar(
    (await grammarOf(schema, tokenizer)).compile(),
    { text: "<call>", once },
    tokenizer,
  );
  for (const id of tokenizer.encode(text)) held.accept(id);
  const logits = new Float32Array(tokenizer.vocabSize);
  held.restrict(logits);
  const allowed = logits.reduce((sum, logit) => sum + Number(logit === 0), 0);
  return { free: allowed === tokenizer.vocabSize, allowed, complete: held.complete };
}

test.each(["", "a <call", 'x {"a": ', '<call>{"a": 1}', '<call>{"a": 2}\n</call> and'])("free after %j", async (text) =>
  expect(await after(text)).toMatchObject({ free: true, complete: false }),
);

test.each(["<call>", "<call>\n", "a <call> {", '<call>{"a": 2}</call>\n<call>', '<call>{"a": '])(
  "held after %j",
  async (text) => {
    const { free, allowed } = await after(text);
    expect(free).toBe(false);
    expect(allowed).toBeGreaterThan(0);
  },
);

test("once: the first held text ends the answer", async () => {
  expect(await after('<call>{"a": 1}', true)).toMatchObject({ complete: true });
  expect(await after('<call>{"a": ', true)).toMatchObject({ complete: false });
});
