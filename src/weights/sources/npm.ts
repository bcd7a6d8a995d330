import { basename } from "node:path";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { jsonIn } from "../json.ts";
import type { PackageMirror } from "./aliases.ts";
import { type Answer, lastLine, runFirst } from "./client.ts";
import type { Digest } from "./digest.ts";

/** A package that npm would install. */
export interface FoundTarball {
  url: string;
  file: string;
  digest: Digest;
  /** The total number of bytes of the package's files, if the registry states it. */
  unpacked: number;
}

const dist = z.object({
  tarball: z.url(),
  integrity: z.string().regex(/^sha512-[A-Za-z0-9+/]{86}==$/),
  unpackedSize: z.number().nonnegative().optional(),
});

/**
 * Asks npm for the package's tarball without installing it; the user's settings (registry, proxy) apply.
 * @throws UserError if npm is missing, the network is down, or there is no such package or version
 */
export async function findTarball(mirror: PackageMirror, signal?: AbortSignal): Promise<FoundTarball> {
  const wanted = `${mirror.package}@${mirror.version ?? "latest"}`;
  const command = process.platform === "win32" ? "npm.cmd" : "npm";
  const options = ["--json", "--ignore-scripts", "--fetch-retries=2", "--fetch-timeout=20000"];
  const answer = await runFirst([[command]], ["view", ...options, "--", wanted, "dist"], signal);
  if (answer === undefined)
    throw new UserError(
      "npm was not found, but it is needed to fetch models from its registry; install Node.js with npm",
    );
  if (answer.status !== 0) throw new UserError(explain(wanted, answer));
  const parsed = dist.safeParse(lastOf(jsonIn(answer.stdout)));
  if (!parsed.success) throw new UserError(`npm answered about ${wanted} in an unexpected format`);
  const { tarball, integrity, unpackedSize = 0 } = parsed.data;
  const digest: Digest = { algorithm: "sha512", hex: Buffer.from(integrity.slice(7), "base64").toString("hex") };
  return {
    url: tarball,
    file: decodeURIComponent(basename(new URL(tarball).pathname)),
    digest,
    unpacked: unpackedSize,
  };
}

/** npm's last answer, which for a version range is the newest of several. */
const lastOf = (answer: unknown): unknown => (Array.isArray(answer) ? answer.at(-1) : answer);

const failure = z.object({ error: z.object({ code: z.string(), summary: z.string() }) });

function explain(wanted: string, { stdout, stderr }: Answer): string {
  const parsed = failure.safeParse(jsonIn(stdout));
  if (!parsed.success) return `npm could not find ${wanted}: ${lastLine(stderr)}`;
  const { code, summary } = parsed.data.error;
  if (code === "E404" && /version/.test(summary)) return `the package registry has no such version: ${wanted}`;
  if (code === "E404") return `the package registry has no package ${wanted}`;
  if (/^E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH)$/.test(code))
    return `the package registry cannot be reached to fetch ${wanted}: is there a network?`;
  return `npm could not find ${wanted}: ${summary.split("\n")[0]} (${code})`;
}
