import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { LIBRARIES } from "../src/runtime/ort/library.ts";
import { machinesTable, PLATFORMS, served, strayBuilds } from "../tools/machines.ts";
import { unaligned, withSection } from "../tools/section.ts";
import { root } from "./program.testing.ts";

const read = (path: string) => readFileSync(join(root, path), "utf8");

test("the table of machines is up to date: npx tsx tools/machines.ts", () => {
  const page = read("docs/deploy.md");
  expect(unaligned(withSection(page, "machines", machinesTable()))).toBe(unaligned(page));
});

test("every dependency with machine code is in it", () => expect(strayBuilds()).toEqual([]));

test("ONNX Runtime's package has the libraries that the program loads", () => {
  expect([...served().get("onnxruntime-node")!.platforms].sort()).toEqual(Object.keys(LIBRARIES).sort());
});

test("all platforms but two have all requirements", () => {
  const without = PLATFORMS.filter((platform) => [...served().values()].some((it) => !it.platforms.has(platform)));
  expect(without).toEqual(["darwin-x64", "win32-arm64"]);
});

test("CI runs the README's two commands on each platform that has all requirements", () => {
  const { jobs } = parse(read(".github/workflows/test.yml"));
  const platforms = jobs.test.strategy.matrix.include.map(({ platform }: { platform: string }) => platform);
  expect(platforms).toEqual(PLATFORMS.filter((platform) => !["darwin-x64", "win32-arm64"].includes(platform)));
  const commands = jobs.test.steps.flatMap(({ run }: { run?: string }) => run ?? []);
  const readme = [...read("README.md").matchAll(/^npm ci && (.+?) +#/gm)].map(([, command]) => command);
  expect(readme).toHaveLength(2);
  for (const command of readme) expect(commands).toContain(command);
});
