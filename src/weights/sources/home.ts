import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** The folder for everything downloaded or prepared: `MODICUM_HOME`, or else the platform's cache folder. */
export function home(): string {
  const chosen = process.env["MODICUM_HOME"];
  return chosen ? resolve(chosen) : defaultHome(process.platform, process.env, homedir());
}

/** The platform's cache folder for Modicum. A relative `XDG_CACHE_HOME` is ignored, as its specification requires. */
export function defaultHome(platform: NodeJS.Platform, env: NodeJS.ProcessEnv, user: string): string {
  if (platform === "win32") return join(env["LOCALAPPDATA"] || join(user, "AppData", "Local"), "modicum");
  if (platform === "darwin") return join(user, "Library", "Caches", "modicum");
  const xdg = env["XDG_CACHE_HOME"];
  return join(xdg?.startsWith("/") ? xdg : join(user, ".cache"), "modicum");
}

/** The folder that contains one folder per downloaded model. */
export const modelsFolder = (): string => join(home(), "models");

/** Turns `pypi:a:b/c` into one legal, unambiguous file name on every platform, and prevents `..` and empty names. */
const fileNameOf = (name: string): string => encodeURIComponent(name).replace(/^(\.|$)/, "%2E");

/**
 * The Hugging Face hub's cache, in the layout shared by all clients: `HF_HUB_CACHE` or `HF_HOME` if set; under
 * `MODICUM_HOME` if only that is set; else the clients' default.
 */
export function hubFolder(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, MODICUM_HOME, XDG_CACHE_HOME } = process.env;
  const chosen = HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE;
  if (chosen) return resolve(chosen);
  const shared = join(XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
  return resolve(HF_HOME || (MODICUM_HOME ? join(MODICUM_HOME, "huggingface") : shared), "hub");
}

/** The folder of a data package, and of the files unpacked from it. */
export const dataFolder = (name: string): string => join(home(), "data", fileNameOf(name));

/** The folder of a package that holds several models. */
export const packageFolder = (name: string): string => join(home(), "packages", fileNameOf(name));

/** The folder of one downloaded model. */
export const modelFolder = (name: string): string => join(modelsFolder(), fileNameOf(name));

/** The lock file that is held while a model is fetched or removed, or a lab run writes. */
export const lockFile = (name: string): string => join(home(), "locks", `${fileNameOf(name)}.lock`);

/** The folder that contains one folder per model file with prepared weights. */
export const programsFolder = (): string => join(home(), "programs");

/** The folder that contains one folder per search index. */
export const indexesFolder = (): string => join(home(), "indexes");

/** The folder for a model's hidden states over texts, on which exits are trained. */
export const statesFolder = (): string => join(home(), "states");

/** The folder for chunks of prompts that servers computed. */
export const prefixesFolder = (): string => join(home(), "prefixes");

/** The database of receipts. */
export const receiptsFile = (): string => join(home(), "receipts.db");
