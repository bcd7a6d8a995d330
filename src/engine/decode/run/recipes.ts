import type { RequestFacts } from "../../../savings/auto/guarantee.ts";
import { densePlan, type Plan, type PlanRequest, planOf, type VisualSpan } from "../../../savings/plan.ts";
import { preparedSavings } from "../../../savings/prepared.ts";
import { withPresets } from "../../../savings/presets.ts";
import { checkSeams, type Recipe } from "../../../savings/recipe.ts";
import type { PreparedSaving } from "../../../savings/saving.ts";
import type { SavingHost } from "../../../savings/seams.ts";

/** The number of prepared recipes that are kept when no request uses them. */
const KEPT = 8;

/** A request so large that every saving acts on it. */
const LARGEST: PlanRequest = { prompt: Number.MAX_SAFE_INTEGER, visual: [{ first: 0, grid: [64, 64] }] };

/** A recipe prepared for one model. */
interface PreparedRecipe {
  readonly recipe: Recipe;
  /** The plan of a request whose prompt has `prompt` tokens, some of which may be images. */
  plan(prompt: number, visual?: readonly VisualSpan[], facts?: RequestFacts): Plan;
}

/** A prepared recipe in use, until it is disposed of. */
export interface Lease extends PreparedRecipe, Disposable {}

/** A model's prepared recipes. Each is prepared once; the least recently used ones are dropped. */
export class Recipes implements Disposable {
  readonly #ready = new Map<string, Entry>();

  /** `prepare` compiles the model's programs for a recipe's plans. */
  constructor(
    private readonly host: SavingHost,
    private readonly prepare: (plan: Plan) => Promise<void>,
  ) {}

  /** @throws UserError if a saving does not support the model, or two savings use the same seam */
  async use(written: Recipe): Promise<Lease> {
    const recipe = await withPresets(written, this.host);
    const key = JSON.stringify(recipe.map(({ text }) => text));
    const held = this.#ready.get(key);
    if (held && !isCurrent(held)) this.#retire(key, held);
    const entry = this.#ready.get(key) ?? { recipe, users: 0, savings: this.#savings(recipe) };
    this.#ready.delete(key);
    this.#ready.set(key, entry);
    entry.users++;
    try {
      const savings = await entry.savings;
      entry.prepared = savings;
      const variants = savings.flatMap(({ variants = [] }) => variants);
      for (const each of [savings, ...variants]) await this.prepare(planFor(each, LARGEST));
      this.#letGo();
      return {
        recipe,
        plan: (prompt, visual = [], facts) => planFor(savings, { prompt, visual, facts }),
        [Symbol.dispose]: () => this.#release(entry),
      };
    } catch (error) {
      this.#release(entry);
      if (this.#ready.get(key) === entry) this.#ready.delete(key);
      throw error;
    }
  }

  async #savings(recipe: Recipe): Promise<PreparedSaving[]> {
    checkSeams(recipe);
    return await preparedSavings(recipe, this.host);
  }

  #release(entry: Entry): void {
    entry.users--;
    if (entry.retired && entry.users === 0) free(entry);
    this.#letGo();
  }

  /** Makes the next call prepare the recipe again; current users keep the old one. */
  #retire(key: string, entry: Entry): void {
    this.#ready.delete(key);
    entry.retired = true;
    if (entry.users === 0) free(entry);
  }

  #letGo(): void {
    const idle = [...this.#ready].filter(([, { users }]) => users === 0);
    for (const [key, entry] of idle.slice(0, Math.max(0, this.#ready.size - KEPT))) {
      this.#ready.delete(key);
      free(entry);
    }
  }

  [Symbol.dispose](): void {
    for (const entry of this.#ready.values()) free(entry);
    this.#ready.clear();
  }
}

interface Entry {
  readonly recipe: Recipe;
  readonly savings: Promise<PreparedSaving[]>;
  /** Set once the savings are prepared. */
  prepared?: readonly PreparedSaving[];
  users: number;
  /** True once another entry has replaced this one. */
  retired?: true;
}

/** False if a file that a recipe uses has changed since the recipe was prepared. */
const isCurrent = ({ prepared = [] }: Entry): boolean => prepared.every((saving) => saving.current?.() ?? true);

/** Frees a recipe's savings; a recipe that failed to load has none. */
function free({ savings }: Entry): void {
  void savings.then((all) => all.forEach((saving) => void saving[Symbol.dispose]())).catch(() => {});
}

function planFor(savings: readonly PreparedSaving[], request: PlanRequest): Plan {
  const parts = savings.flatMap((saving) => saving.plan(request) ?? []);
  return parts.length === 0 ? densePlan : planOf(parts);
}
