/** The editor extension of examples/vscode in a fake editor, against a real server; and the costs of typed keys. */
import Module, { createRequire } from "node:module";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Keystroke, totals } from "../examples/typing/cost.ts";
import { countRequests } from "../examples/typing/requests.ts";
import { readTrace, typed } from "../examples/typing/trace.ts";
import { CompletionClient, type Shown } from "../examples/vscode/client.cjs";
import { jsonOf, serveModels, type Testing, TINY } from "../src/serve/serve.testing.ts";
import { root } from "./program.testing.ts";

let server: Testing;
beforeAll(async () => {
  server = await serveModels(TINY.slice(0, 1));
});
afterAll(() => server.stop(0));

const settings = { apiKey: "", model: "tiny", savings: [] as string[], pause: 0, maxTokens: 4 };

/** The part of the editor's API that the extension uses. */
function fakeEditor(changes: Partial<typeof settings> = {}) {
  const values: Record<string, unknown> = { ...settings, server: server.url, ...changes };
  let configured = () => {};
  const lines: string[] = [];
  let provide: ((...args: unknown[]) => Promise<{ text: string }[]>) | undefined;
  const vscode = {
    window: { createOutputChannel: () => ({ appendLine: (line: string) => lines.push(line) }) },
    workspace: {
      getConfiguration: () => ({ get: (name: string) => values[name] }),
      onDidChangeConfiguration: (changed: () => void) => {
        configured = changed;
      },
    },
    languages: {
      registerInlineCompletionItemProvider: (
        _: unknown,
        provider: { provideInlineCompletionItems: typeof provide },
      ) => {
        provide = (...args) => provider.provideInlineCompletionItems!(...args);
      },
    },
    Range: class {
      constructor(
        readonly start: number,
        readonly end: number,
      ) {}
    },
    InlineCompletionItem: class {
      constructor(
        readonly text: string,
        readonly range: unknown,
      ) {}
    },
  };
  const load = Reflect.get(Module, "_load") as (...args: unknown[]) => unknown;
  Reflect.set(Module, "_load", (name: string, ...rest: unknown[]) =>
    name === "vscode" ? vscode : load(name, ...rest),
  );
  const require = createRequire(import.meta.url);
  const file = join(root, "examples", "vscode", "extension.cjs");
  delete require.cache[file];
  const subscriptions: unknown[] = [];
  require(file).activate({ subscriptions });
  Reflect.set(Module, "_load", load);
  expect(subscriptions.length).toBe(3);
  const at = (text: string, offset: number, cancel: (stop: () => void) => void = () => {}) =>
    provide!({ getText: () => text, offsetAt: () => offset }, offset, {}, { onCancellationRequested: cancel });
  const set = (setting: string, value: unknown) => {
    values[setting] = value;
    configured();
  };
  return { at, lines, set };
}

const TEXT = "once upon a time\r\nthere was a ";

describe("the extension", () => {
  test("shows the server's completion at the cursor, and reports its cost", async () => {
    const { at, lines } = fakeEditor();
    const [item] = await at(TEXT, TEXT.length);
    const body = { ...{ model: "tiny", max_tokens: 4, temperature: 0, stop: "\n" } };
    const init = { method: "POST", headers: { "content-type": "application/json" } };
    const prompt = TEXT.replace("\r\n", "\n");
    const expected = await jsonOf(
      fetch(`${server.url}/v1/completions`, { ...init, body: JSON.stringify({ ...body, prompt }) }),
    );
    expect(item).toMatchObject({ text: expected.choices[0].text.trimEnd(), range: { start: TEXT.length } });
    expect(lines).toEqual(["4 tokens, 100 % of dense's FLOPs"]);
  });

  test("shows nothing at the beginning of a file, and sends no request", async () => {
    const { at, lines } = fakeEditor({ model: "none" });
    expect(await at(TEXT, 0)).toEqual([]);
    expect(lines).toEqual([]);
  });

  test("sends no request if the next key comes before the pause is over", async () => {
    const { at, lines } = fakeEditor({ model: "none", pause: 60_000 });
    expect(await at(TEXT, TEXT.length, (stop) => stop())).toEqual([]);
    expect(lines).toEqual([]);
  });

  test("shows the rest of a completion while it is typed, and reports its cost once", async () => {
    const { at, lines } = fakeEditor();
    const [item] = await at(TEXT, TEXT.length);
    const typed = TEXT + item!.text[0];
    expect(await at(typed, typed.length)).toMatchObject([{ text: item!.text.slice(1) }]);
    expect(lines.length).toBe(1);
  });

  test("uses its settings once they have changed", async () => {
    const { at, lines, set } = fakeEditor({ model: "none" });
    set("model", "tiny");
    expect((await at(TEXT, TEXT.length)).length).toBe(1);
    expect(lines.length).toBe(1);
  });

  test("reports the server's refusal", async () => {
    const { at, lines } = fakeEditor({ model: "none" });
    expect(await at(TEXT, TEXT.length)).toEqual([]);
    expect(lines).toEqual([expect.stringContaining("none")]);
  });
});

describe("a request that the next key cancels", () => {
  test("is billed for what it ran, in the ledger", async () => {
    const controller = new AbortController();
    const sum = async () => (await jsonOf(fetch(`${server.url}/v1/receipts`))).sum;
    const before = await sum();
    const options = { ...settings, server: server.url, maxTokens: 200 };
    // Many at once, so that none finishes before the key arrives.
    const clients = Array.from({ length: 8 }, () => new CompletionClient(options));
    const all = clients.map((client, i) => client.complete(`${TEXT}${i}`, "", controller.signal));
    await expect
      .poll(async () =>
        (await (await fetch(`${server.url}/metrics`)).text()).match(/num_requests_running\{[^}]*\} [1-9]/),
      )
      .not.toBeNull();
    // A key at a different position, whose own call is cancelled.
    controller.abort();
    await Promise.all(clients.map((client) => client.complete("elsewhere", "", controller.signal)));
    expect((await Promise.all(all)).every((answer) => answer === undefined || answer.text !== undefined)).toBe(true);
    await expect.poll(async () => (await sum()).receipts).toBeGreaterThan(before.receipts);
    const after = await sum();
    expect(after.flops.spent).toBeGreaterThan(before.flops.spent);
    expect(after.tokens.completion - before.tokens.completion).toBeLessThan(8 * 200);
  });
});

describe("a typed trace", () => {
  const trace = readTrace(join(root, "examples", "typing", "trace.json"));

  test("ends with the text of its file", () => {
    const steps = [...typed(trace)];
    expect(steps.length).toBe(trace.keys.length);
    expect(steps.at(-1)!.before).toBe(trace.before + trace.keys.map(({ insert }) => insert).join(""));
    expect(trace.keys.every(({ at }, i) => i === 0 || at >= trace.keys[i - 1]!.at)).toBe(true);
  });

  test("is summed: each suggestion once, and the receipts of all requests, including cancelled ones", () => {
    const receipt = (id: string, completion: number) => ({
      ...{ id, tokens: { prompt: 9, cached: 5, completion }, flops: { dense: 20, spent: 10 } },
    });
    const shown = (id: string, text: string): Shown => ({ text, stopped: false, receipt: receipt(id, 2) });
    const keys: Keystroke[] = [
      { insert: "a" },
      { insert: "b", shown: shown("2", "xy") },
      { insert: "x", shown: shown("2", "y") },
      { insert: "d" },
      { insert: "e", shown: shown("4", "") },
    ];
    const receipts = [receipt("4", 2), receipt("3", 7), receipt("2", 2), receipt("1", 6)];
    expect(totals(keys, { sent: 5, whole: [300, 100] }, receipts)).toEqual({
      ...{ keys: 5, requests: 5, cancelled: 3, cancelled_share: 0.6, suggestions: 1, keys_with_suggestion: 2 },
      tokens: { prompt: 36, cached: 20, completion: 17 },
      flops: { spent: 40, dense: 80, saved: 0.5, shown: 10 },
      median_ms: 300,
    });
  });

  test("counts the requests of any client, and those that it reads to their end", async () => {
    const { fetch } = globalThis;
    const requests = countRequests();
    try {
      await (await globalThis.fetch("data:text/plain,whole")).text();
      await (await globalThis.fetch("data:text/plain,left")).body!.cancel();
      await globalThis.fetch("data:text/plain,aborted", { signal: AbortSignal.abort() }).catch(() => {});
    } finally {
      globalThis.fetch = fetch;
    }
    expect(requests).toEqual({ sent: 3, whole: [expect.any(Number)] });
  });
});
