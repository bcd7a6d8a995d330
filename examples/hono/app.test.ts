import assert from "node:assert/strict";
import { test } from "node:test";
import { app } from "./app.ts";

const ask = (body: string) => app.request("/", { method: "POST", body });

test("an answer arrives in pieces", async () => {
  const response = await ask("Why do we need sleep? Answer in one sentence.");
  const pieces: string[] = [];
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) pieces.push(piece);
  assert.match(pieces.join(""), /sleep is/i);
  assert.ok(pieces.length > 3);
});

test("a body without a question is refused", async () => {
  assert.equal((await ask(" ")).status, 400);
});
