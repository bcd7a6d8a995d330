import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../util/errors.ts";
import { asDropped } from "./network.ts";

/** `HF_ENDPOINT`, or the hub itself, without a trailing slash. */
export function endpoint(): string {
  const text = (process.env["HF_ENDPOINT"] || "https://huggingface.co").replace(/\/+$/, "");
  if (URL.canParse(text) && /^https?:/.test(text)) return text;
  throw new UserError(`HF_ENDPOINT is "${text}", expected the address of a hub, such as https://host`);
}

/** Checks whether the hub answers; returns its host. @throws Error with the reason if it does not */
export async function hubAnswers(signal: AbortSignal): Promise<string> {
  if (isOffline()) throw new Error("HF_HUB_OFFLINE is set");
  const url = endpoint();
  const { host } = new URL(url);
  await fetch(url, { method: "HEAD", signal }).catch((error: unknown) => {
    throw new Error(`${host}: ${signal.aborted ? "no answer in time" : asDropped(error, url).message}`);
  });
  return host;
}

/** `HF_TOKEN`, or the token that `hf auth login` stored in `HF_HOME`. */
export function token(): string | undefined {
  const fromEnv = process.env["HF_TOKEN"]?.trim();
  if (fromEnv) return fromEnv;
  const home =
    process.env["HF_HOME"] || join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "huggingface");
  try {
    return readFileSync(process.env["HF_TOKEN_PATH"] || join(home, "token"), "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}

/** True if nothing may be fetched from any source, as set by a call or, for the process, by `HF_HUB_OFFLINE`. */
export const isOffline = (call?: boolean): boolean =>
  call || /^(1|true|yes|on)$/i.test(process.env["HF_HUB_OFFLINE"] ?? "");

/** A message that `what` is missing, and that fetching it is not allowed. */
export const notFetched = (what: string): string =>
  `${what} is not on this machine, and nothing is fetched offline (--offline or HF_HUB_OFFLINE)`;
