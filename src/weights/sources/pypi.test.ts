import { chmodSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { readText, tempFolder, withEnv, writeAt } from "./helpers.testing.ts";
import { findWheel } from "./pypi.ts";
import { fakePip, pipReport } from "./registries.testing.ts";

const hash = "ab".repeat(32);
const tiny = { kind: "pypi", package: "tiny" } as const;

/** Returns `findWheel`'s error for `tiny` if pip fails with this text. */
async function failure(stderr: string): Promise<string> {
  withEnv({ PATH: fakePip({ tiny: { stderr } }) });
  const error: unknown = await findWheel(tiny).catch((error) => error);
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
}

test("pip's report gives URL, file and hash", async () => {
  const url = "https://host.example/ab/tiny-1.0%2Bcpu-py3-none-any.whl";
  const folder = fakePip({ tiny: { stdout: pipReport(url, hash) } });
  withEnv({ PATH: folder });
  expect(await findWheel(tiny)).toEqual({ url, file: "tiny-1.0+cpu-py3-none-any.whl", sha256: hash });
  const [call] = readText(join(folder, "calls")).trim().split("\n");
  expect(call).toMatch(/^-m pip install --dry-run .*--only-binary :all: .*--report - tiny$/);
});

test("a version is asked for by name", async () => {
  withEnv({ PATH: fakePip({ "tiny==2.1": { stdout: pipReport("https://host.example/t.whl", hash) } }) });
  expect(await findWheel({ ...tiny, version: "2.1" })).toMatchObject({ file: "t.whl" });
});

test("a wheel in a local folder may come without a hash", async () => {
  withEnv({ PATH: fakePip({ tiny: { stdout: pipReport("file:///wheels/t.whl") } }) });
  expect(await findWheel(tiny)).toEqual({ url: "file:///wheels/t.whl", file: "t.whl" });
});

describe("in one sentence", () => {
  test("no such package", async () => {
    const text =
      "ERROR: Could not find a version that satisfies the requirement tiny (from versions: none)\nERROR: No matching distribution found for tiny";
    expect(await failure(text)).toBe("the package registry has no package tiny, or no wheel of it");
  });

  test("only other versions", async () => {
    const text =
      "ERROR: Could not find a version that satisfies the requirement tiny (from versions: 0.1, 0.2)\nERROR: No matching distribution found for tiny";
    expect(await failure(text)).toBe("the package registry has no wheel of tiny, only of other versions");
  });

  test("no network, though pip then says that there is no package", async () => {
    const text =
      "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError(': Failed to establish a new connection: [Errno -2] Name or service not known')': /simple/tiny/\nERROR: Could not find a version that satisfies the requirement tiny (from versions: none)\nERROR: No matching distribution found for tiny";
    expect(await failure(text)).toBe("the package registry cannot be reached to fetch tiny: is there a network?");
  });

  test("a pip too old", async () => {
    expect(await failure("Usage: pip install [options]\n\nno such option: --dry-run")).toMatch(
      /^pip is too old: 22\.2/,
    );
  });

  test("anything else by pip's last error", async () => {
    expect(await failure("WARNING: x\nERROR: first\nERROR: Could not find an activated virtualenv (required).\n")).toBe(
      "pip could not find tiny: Could not find an activated virtualenv (required).",
    );
    expect(await failure("ERROR: Exception:\nTraceback:\n  boom\n")).toBe("pip could not find tiny: boom");
    expect(await failure("Traceback:\n  boom\n")).toBe("pip could not find tiny: boom");
    expect(await failure("")).toBe("pip could not find tiny: it gave no reason");
  });

  test.each([
    "",
    "no JSON",
    "{}",
    '{"install": []}',
    '{"install":[{"download_info":{"url":"not a url","archive_info":{}}}]}',
  ])("a report of another form: %j", async (stdout) => {
    withEnv({ PATH: fakePip({ tiny: { stdout: stdout || "\n" } }) });
    await expect(findWheel(tiny)).rejects.toThrow("pip's report on tiny has an unexpected format");
  });

  test("no pip anywhere", async () => {
    withEnv({ PATH: tempFolder() });
    await expect(findWheel(tiny)).rejects.toThrow(/^pip was not found, .* install Python 3 with pip, or give a path/);
  });
});

test("a Python without pip is passed over for the next", async () => {
  const folder = fakePip({ tiny: {} });
  writeAt(join(folder, "python3"), "#!/bin/sh\necho '/usr/bin/python3: No module named pip' >&2\nexit 1\n");
  const report = pipReport("https://host.example/t.whl", hash);
  writeAt(join(folder, "pip"), `#!/bin/sh\necho '${report}'\n`);
  chmodSync(join(folder, "pip"), 0o755);
  withEnv({ PATH: folder });
  expect(await findWheel(tiny)).toMatchObject({ file: "t.whl" });
});

test("an abort stops pip", async () => {
  const folder = tempFolder();
  writeAt(join(folder, "python3"), `#!/bin/sh\necho $$ > "${folder}/pid"\nexec /bin/sleep 1000\n`);
  chmodSync(join(folder, "python3"), 0o755);
  withEnv({ PATH: folder });
  const stop = new AbortController();
  const rejection = expect(findWheel(tiny, stop.signal)).rejects.toThrow();
  const pid = () => (existsSync(join(folder, "pid")) ? Number(readFileSync(join(folder, "pid"), "utf8")) : 0);
  await expect.poll(pid).toBeGreaterThan(0);
  stop.abort();
  await rejection;
  const runs = () => {
    try {
      return process.kill(pid(), 0);
    } catch {
      return false;
    }
  };
  await expect.poll(runs).toBe(false);
});
