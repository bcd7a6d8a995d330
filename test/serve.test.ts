import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { serve } from "../bench/serve/server.ts";
import { openLedger } from "../src/ledger/store.ts";
import { TINY } from "../src/serve/serve.testing.ts";

/**
 * The longest answer that one request may ask for: even a fast machine is still writing it when the server gets a stop
 * signal.
 */
const LONGEST = { prompt: Array(8).fill("abc"), n: 8, max_tokens: 200 };

test("SIGTERM, once or twice, during streamed answers: each has its last event, the receipt is stored, and the program ends with 0", async () => {
  const server = await serve("--model", TINY[0]!, "--drain", "0", "--rows", "64");
  try {
    const response = await fetch(`${server.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...LONGEST, model: "tiny", temperature: 0, stream: true }),
    });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value!;
    const gone = once(server.process, "exit");
    server.process.kill("SIGTERM");
    for (let again = 0; again < 2; again++) setTimeout(() => server.process.kill("SIGTERM"), 10 * again);
    for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
    expect(await gone).toEqual([0, null]);
    const events = text.trimEnd().split("\n\n");
    expect(events.at(-1)).toBe("data: [DONE]");
    const { choices, receipt } = JSON.parse(events.at(-2)!.slice("data: ".length));
    expect(choices[0].finish_reason).toBe("length");
    expect(receipt.tokens.completion).toBeLessThan(8 * 8 * 200);
    const ledger = await openLedger(join(server.home, "receipts.db"));
    expect((await ledger.list()).map(({ id, tokens }) => ({ id, tokens }))).toEqual([
      { id: receipt.id, tokens: receipt.tokens },
    ]);
    await ledger.close();
  } finally {
    await server.stop();
  }
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)(
  "a second %s, later, ends the program at once, even with an answer in progress and an unread log",
  async (signal, status) => {
    const server = await serve("--model", TINY[0]!, "--drain", "600", "--max-stall", "600", "--log-prompts");
    try {
      server.process.stderr!.pause();
      const ask = (body: object) =>
        fetch(`${server.url}/v1/completions`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ ...LONGEST, model: "tiny", temperature: 0, stream: true, ...body }),
        });
      // Nobody reads this answer either: it continues until the connection closes.
      const answer = await ask({ logprobs: 5 });
      // Longer than a pipe's and its reader's buffers, but logged on one line.
      expect((await ask({ prompt: "abc".repeat(300_000) })).status).toBe(400);
      const gone = once(server.process, "exit");
      server.process.kill(signal);
      await expect
        .poll(
          () =>
            fetch(`${server.url}/health`).then(
              () => true,
              () => false,
            ),
          { timeout: 20_000 },
        )
        .toBe(false);
      await sleep(600);
      server.process.kill(signal);
      expect(await gone).toEqual([status, null]);
      await answer.body?.cancel().catch(() => {});
    } finally {
      await server.stop();
    }
  },
);
