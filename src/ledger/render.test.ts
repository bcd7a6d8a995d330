import { describe, expect, test } from "vitest";
import { parts } from "./fixtures/parts.testing.ts";
import { makeReceipt, type ReceiptParts } from "./receipt.ts";
import { renderReceipt, renderSum, renderTable } from "./render.ts";

const line = (change: Partial<ReceiptParts> = {}): string => renderReceipt(makeReceipt(parts(change)));
const times = (change: Partial<ReceiptParts["ms"]>) => ({
  ...{ queue: 0, load: 0, encode: 0, prefill: 0, decode: 0 },
  ...change,
});

describe("a receipt's line", () => {
  test("says tokens, FLOPs, the share saved and the times", () => {
    expect(line()).toBe(
      "812+64 tokens · 2.31e11 → 1.92e11 FLOPs (16.9 % saved) · prefill 900 ms · decode 640 ms (100 tok/s)",
    );
  });

  test("shows waiting and image times of a millisecond or more", () => {
    expect(line({ ms: times({ queue: 0.4, prefill: 900 }) })).toMatch(/saved\) · prefill 900 ms · decode 0 ms$/);
    expect(line({ ms: times({ queue: 12, encode: 49_600, prefill: 900 }) })).toContain(
      "· queue 12 ms · encode 49.6 s · prefill 900 ms",
    );
  });

  test("shows cached tokens and estimates only if there are any", () => {
    expect(line({ tokens: { prompt: 812, cached: 800, completion: 64 } })).toContain("812+64 tokens (800 cached) ·");
    expect(line({ estimated: true })).toContain("(16.9 % saved, estimated)");
  });

  test("spending more than dense reads as more; dense itself as 0.0 % saved", () => {
    expect(line({ flops: { dense: 1e9, spent: 1.032e9, overhead: 0 } })).toContain(
      "1.00e9 → 1.03e9 FLOPs (3.2 % more)",
    );
    expect(line({ flops: { dense: 1e9, spent: 1e9, overhead: 0 } })).toContain("(0.0 % saved)");
    expect(line({ flops: { dense: 1e9, spent: 1e9 + 1, overhead: 1 } })).toContain("(0.0 % saved)");
    expect(line({ flops: { dense: 0, spent: 0, overhead: 0 } })).toContain("0 → 0 FLOPs (0.0 % saved)");
  });

  test("without decoding there is no speed", () => {
    const tokens = { prompt: 5, cached: 0, completion: 0 };
    expect(line({ tokens, ms: times({ prefill: 3.4 }) })).toMatch(/prefill 3 ms · decode 0 ms$/);
    expect(line({ ms: times({ prefill: 1 }) })).toMatch(/decode 0 ms$/);
  });

  test.each([
    [9999, "9999 ms (6.4 tok/s)"],
    [9999.7, "10.0 s (6.4 tok/s)"],
    [99_940, "99.9 s (0.6 tok/s)"],
    [99_960, "1 min 40 s (0.6 tok/s)"],
    [119_800, "2 min 0 s (0.5 tok/s)"],
    [3_725_000, "62 min 5 s (0.0 tok/s)"],
  ])("%d ms of decoding", (decode, text) => {
    expect(line({ ms: times({ prefill: 1, decode }) })).toMatch(new RegExp(`decode ${text.replace(/[()]/g, "\\$&")}$`));
  });
});

test("a sum's line counts the receipts", () => {
  const { tokens, bytes, ms, flops } = makeReceipt(parts());
  const sum = { tokens, bytes, ms, flops, receipts: 3, estimated: 0 };
  expect(renderSum(sum)).toBe(`3 receipts · ${line()}`);
  expect(renderSum({ ...sum, receipts: 1, estimated: 1 })).toMatch(/^1 receipt · .*16\.9 % saved, estimated/);
});

describe("the table", () => {
  const local = (iso: number): string => {
    const d = new Date(iso);
    const two = (n: number) => String(n).padStart(2, "0");
    return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}`;
  };

  test("lines up its columns, dense for the empty recipe, ~ for estimates", () => {
    const [a, b] = [Date.UTC(2026, 0, 31, 9, 5), Date.UTC(2026, 6, 1, 23, 59, 59)];
    const table = renderTable([
      makeReceipt(parts({ recipe: ["a", "b:x=1"] }), a),
      makeReceipt(
        parts({
          model: "qwen2.5-coder",
          recipe: [],
          estimated: true,
          tokens: { prompt: 7, cached: 0, completion: 1 },
          flops: { dense: 5e9, spent: 6e9, overhead: 0 },
        }),
        b,
      ),
      makeReceipt(parts({ recipe: ["a", "b:x=1"], flops: { dense: 5e9, spent: 5e9 + 1, overhead: 1 } }), a),
    ]);
    expect(table.split("\n")).toEqual([
      "CREATED           MODEL          RECIPE   TOKENS  FLOPS DENSE    SPENT    SAVED     TIME",
      `${local(a)}  smollm2        a b:x=1  812+64      2.31e11  1.92e11   16.9 %  1850 ms`,
      `${local(b)}  qwen2.5-coder  dense       7+1       5.00e9  ~6.00e9  -20.0 %  1850 ms`,
      `${local(a)}  smollm2        a b:x=1  812+64       5.00e9   5.00e9    0.0 %  1850 ms`,
    ]);
  });

  test("without receipts is its header", () => {
    expect(renderTable([]).split("\n")).toHaveLength(1);
  });
});
