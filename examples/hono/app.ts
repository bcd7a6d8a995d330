import { Hono } from "hono";
import { streamText } from "hono/streaming";
import { load } from "modicum";

const model = await load("smollm2");

/** Answers the question in the body, word by word. */
export const app = new Hono().post("/", async (c) => {
  const question = await c.req.text();
  if (question.trim() === "") return c.text("expected a question in the body", 400);
  const { signal } = c.req.raw;
  return streamText(c, async (stream) => {
    for await (const { text, receipt } of model.generate(question, { maxTokens: 128, signal })) {
      await stream.write(text);
      if (receipt) console.log(receipt.tokens, receipt.flops);
    }
  });
});
