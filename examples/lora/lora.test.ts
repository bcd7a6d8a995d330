import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { after, before, test } from "node:test";

const PORT = "3418";
const run = (...words: string[]) => execFileSync("npm", ["run", ...words], { stdio: ["ignore", "inherit", "inherit"] });
let server: ChildProcess;

before(async () => {
  run("train");
  run("tune");
  const words = ["serve", "--model", "smollm2", "--port", PORT];
  server = spawn("node_modules/.bin/modicum", words, { stdio: "inherit" });
  await ready();
});
after(() => server.kill());

test("the adapter hides a name, and the receipt has the guarantee", async (t) => {
  const { choices, receipt } = await ask(
    "Replace the name by [NAME]: Last weekend Selma painted the garden gate green and oiled the lock before the winter came.",
  );
  assert.match(choices[0].message.content, /^Last weekend \[NAME\] painted the garden gate/);
  // The machine's timings decide which recipes are provably faster; if none is, dense answers.
  if (receipt.guarantee === null) return t.diagnostic("nothing was certified on this machine");
  assert.equal(receipt.guarantee.risk, 0.05);
  assert.match(receipt.recipe.join(), /lookup/);
});

interface Answer {
  choices: [{ message: { content: string } }];
  receipt: { recipe: string[]; guarantee: { risk: number } | null };
}

async function ask(content: string): Promise<Answer> {
  const messages = [{ role: "user", content }];
  const response = await fetch(`http://localhost:${PORT}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "smollm2@names", messages, temperature: 0 }),
  });
  return (await response.json()) as Answer;
}

async function ready(tries = 300): Promise<void> {
  const { ok } = await fetch(`http://localhost:${PORT}/ready`).catch(() => ({ ok: false }));
  if (ok) return;
  if (tries === 0) throw new Error("the server did not start");
  await new Promise((resolve) => setTimeout(resolve, 200));
  return ready(tries - 1);
}
