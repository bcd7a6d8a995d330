import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, test } from "node:test";

const PORT = "3417";
const server = spawn("node_modules/.bin/next", ["start", "--port", PORT], { stdio: ["ignore", "pipe", "inherit"] });
after(() => server.kill());

test("the built route streams an answer", async () => {
  await once(server.stdout, "data");
  const pieces: string[] = [];
  const response = await ask("Why do we need sleep? Answer in one sentence.");
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) pieces.push(piece);
  assert.match(pieces.join(""), /sleep is/i);
  assert.ok(pieces.length > 1);
});

/** The server prints before it listens, so the first attempts may fail. */
async function ask(question: string, tries = 50): Promise<Response> {
  try {
    return await fetch(`http://localhost:${PORT}/api/chat`, { method: "POST", body: question });
  } catch (error) {
    if (tries === 0) throw error;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return ask(question, tries - 1);
  }
}
