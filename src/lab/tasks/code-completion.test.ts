import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { zip } from "../../weights/sources/archives.testing.ts";
import { sha256, tempFolder, withEnv, writeAt } from "../../weights/sources/helpers.testing.ts";
import { fakePip, pipReport } from "../../weights/sources/registries.testing.ts";
import { serve } from "../../weights/sources/server.testing.ts";
import type { TaskOf } from "../task.ts";
import { allItems, countTokens } from "./items.testing.ts";
import { findTask } from "./registry.ts";

const source = (name: string): string =>
  Array.from({ length: 40 }, (_, i) => (i % 5 === 4 ? "" : `const ${name}${i} = compute(${i}, "${name}");`)).join("\n");

const fileName = (path: string): string => path.split("/").at(-1)!;

const task = async (spec: string) => (await findTask(spec)) as TaskOf<"generation">;

function corpus(): string {
  const folder = tempFolder();
  for (const name of ["a.ts", "b/c.py", "b/d.rs"]) writeAt(join(folder, name), source(fileName(name)[0]!));
  for (const name of ["node_modules/x/e.ts", ".git/f.ts", "g.d.ts", "h.min.js", "i.txt"])
    writeAt(join(folder, name), source("n"));
  writeAt(join(folder, "short.ts"), "export const nothing = 1;\n");
  return folder;
}

describe("a folder of source files", () => {
  test("a place in each file: the text before it, and the line that follows", async () => {
    const folder = corpus();
    const items = await allItems(await task(`code-completion:${folder},tokens=60`));
    expect(items.map(({ id }) => id).sort()).toEqual(["a.ts", "b/c.py", "b/d.rs"]);
    for (const { id, prompt, answers } of items) {
      const text = source(fileName(id)[0]!);
      expect(text).toContain(`${prompt}${answers[0]}`);
      expect(answers[0]).not.toBe("");
      expect(countTokens(prompt)).toBeLessThanOrEqual(60);
      expect(prompt.endsWith("\n")).toBe(true);
    }
  });

  test("the seed determines files and places; a smaller limit takes the first ones", async () => {
    const own = await task(`code-completion:${corpus()}`);
    const items = await allItems(own);
    expect(await allItems(own, { limit: 2 })).toEqual(items.slice(0, 2));
    const others = await Promise.all([1, 2, 3].map((seed) => allItems(own, { seed })));
    expect(others.some((other) => other[0]!.prompt !== items[0]!.prompt)).toBe(true);
  });

  test.each([
    ["one without source files", () => tempFolder(), /: there is no source file in it with a suitable line$/],
    ["one that is not there", () => "none/at/all", /^there is no folder none\/at\/all$/],
    ["a file", () => writeAt(join(tempFolder(), "a.ts"), "x"), /a\.ts is a file, expected a folder of source files$/],
  ])("%s is refused", async (_name, folder, message) => {
    await expect(allItems(await task(`code-completion:${folder()}`))).rejects.toThrow(message);
  });
});

test("a package's source files, without its other files", async () => {
  const wheel = zip(
    ["tiny/a.py", "tiny/sub/b.py", "other/c.py", "tiny/data.json"].map((name) => ({
      name,
      data: Buffer.from(source("p")),
    })),
  );
  const server = await serve({ body: wheel });
  const url = server.url.replace("model.bin", "tiny-1.0-py3-none-any.whl");
  withEnv({ PATH: fakePip({ tiny: { stdout: pipReport(url, sha256(wheel)) } }), MODICUM_HOME: tempFolder() });
  const ids = async (spec: string) => (await allItems(await task(spec))).map(({ id }) => id).sort();
  expect(await ids("code-completion:pypi:tiny")).toEqual(["other/c.py", "tiny/a.py", "tiny/sub/b.py"]);
  expect(await ids("code-completion:pypi:tiny:tiny,tokens=100")).toEqual(["tiny/a.py", "tiny/sub/b.py"]);
  expect(server.starts.length).toBe(1);
});
