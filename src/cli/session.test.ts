import { afterEach, expect, test, vi } from "vitest";
import { AnswerPrinter, generation } from "./session.ts";

afterEach(() => void vi.restoreAllMocks());

test("an explicit token limit is the request's own, and the default one is not", () => {
  expect(generation({ model: "m" })).toMatchObject({ maxTokens: 512, defaultLength: true });
  expect(generation({ model: "m", maxTokens: 512 })).toMatchObject({ maxTokens: 512, defaultLength: false });
});

test.each([
  [true, "\x1b[2mhm,\x1b[22m\x1b[2m so\x1b[22m\n\n"],
  [false, ""],
])("reasoning is dim on stderr if that is a terminal (%s), and never on stdout", (terminal, shown) => {
  const written = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      written[stream] += text;
      return true;
    });
  const before = process.stderr.isTTY;
  process.stderr.isTTY = terminal;
  try {
    const printer = new AnswerPrinter();
    for (const piece of [{ text: "", reasoning: "hm," }, { text: "", reasoning: " so" }, { text: "4" }, { text: "." }])
      printer.write(piece);
  } finally {
    process.stderr.isTTY = before;
  }
  expect(written).toEqual({ stdout: "4.", stderr: shown });
});
