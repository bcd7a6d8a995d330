import { describe, expect, test } from "vitest";
import { onPort, openingOf, runnable } from "./page-opening.ts";

const fence = (kind: string, text: string) => `\`\`\`${kind}\n${text}\n\`\`\`\n`;

describe("a page opens with", () => {
  test.each(["json", "text", "text answer"] as const)("a command and its output, as %s", (kind) => {
    const page = `# Title\n\nProse.\n\n${fence("sh", "a |\n  b")}\n${fence(kind, "{}")}\nMore.\n${fence("sh", "c")}`;
    expect(openingOf(page)).toEqual({ command: "a |\n  b\n", kind, output: "{}\n" });
  });

  test.each(["# Title\n", fence("json", "{}"), fence("console", "$ a"), `${fence("js", "1")}${fence("sh", "a")}`])(
    "no other block: %j",
    (page) => {
      expect(() => openingOf(page)).toThrow("the first fenced block has to be a command, in ```sh");
    },
  );

  test.each(["", fence("sh", "b"), fence("yaml", "b"), `Prose.\n\n${fence("text", "b")}`])(
    "no command followed by %j",
    (rest) => {
      expect(() => openingOf(`${fence("sh", "a")}\n${rest}`)).toThrow("the command's output has to follow it at once");
    },
  );
});

describe("a command runs", () => {
  test("without what installs or tests the clone", () => {
    const command = "npm ci && node bin/modicum.js run x   # the main job\nnpm ci && npm test   # the tests\n";
    expect(runnable(command, 1)).toBe("node bin/modicum.js run x   # the main job\n\n");
  });

  test("with its server on a port of its own", () => {
    const command = "node bin/modicum.js serve --model m &\ncurl localhost:8080/health\nkill %1\n";
    expect(runnable(command, 4321)).toBe(
      "node bin/modicum.js serve --model m --port 4321 &\ncurl localhost:4321/health\nkill %1\n",
    );
    const chosen = "node bin/modicum.js serve --port 8080 --model m &";
    expect(runnable(chosen, 4321)).toBe("node bin/modicum.js serve --port 4321 --model m &");
    expect(onPort('{"url":"http://localhost:8080/"}', 4321)).toBe('{"url":"http://localhost:4321/"}');
  });
});
