import { ReadableStream } from "node:stream/web";
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { UserError } from "../../util/errors.ts";
import { type Html, html } from "../../util/html.ts";
import type { KeyStore } from "../keys/store.ts";
import {
  type Api,
  ApiFault,
  apiFor,
  type ChatAnswer,
  type ListedModel,
  type ListedReceipts,
  type ListedSaving,
} from "./api.ts";
import {
  ANSWER_TOKENS,
  CHAT_END,
  chatForm,
  fieldOf,
  type Outcome,
  OWN,
  outcomeOf,
  ownField,
  type Trial,
  waiting,
} from "./chat-section.ts";
import { comparison } from "./comparison.ts";
import { faultSection, PAGE_END, pageStart, signInSection } from "./console-page.ts";
import { namingOf } from "./recipe-choices.ts";
import { LASTS, type Sessions } from "./sessions.ts";

export interface ConsoleOptions {
  readonly version: string;
  readonly keys: KeyStore;
  /** Folder of lab runs. */
  readonly lab: string | undefined;
  /** The server's API. */
  readonly answer: (request: Request) => Response | Promise<Response>;
}

const COOKIE = "modicum_console";
/** Maximum receipts to sum over time. */
const RECEIPTS = 1000;

const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "cache-control": "private, no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** The seed of both answers, so that sampled texts differ only because of their recipes. */
const SEED = 1;

/** One request for the console. */
export class Visit {
  readonly #session: string | undefined;
  readonly #secret: string | undefined;
  readonly #api: Api;

  constructor(
    private readonly options: ConsoleOptions,
    private readonly sessions: Sessions,
    private readonly c: Context,
  ) {
    this.#session = getCookie(c, COOKIE);
    this.#secret = sessions.secretOf(this.#session);
    this.#api = apiFor(c.req.raw, this.#secret, options.answer);
  }

  /** The console, or a page that asks for a key. */
  page(): Promise<Response> {
    return this.#admitted(undefined);
  }

  /** The console with a prompt's answers. */
  async chat(): Promise<Response> {
    const form = await this.c.req.parseBody();
    const text = (name: string): string => (typeof form[name] === "string" ? form[name] : "");
    const model = text("model");
    const recipe = (place: 0 | 1): string => {
      const chosen = text(fieldOf(place, model));
      return chosen === OWN ? text(ownField(place)).trim() : chosen || "dense";
    };
    // Browsers send a form's lines with carriage returns, which would be tokens.
    const prompt = text("prompt").replaceAll("\r\n", "\n");
    return this.#admitted({ model, prompt, recipes: [recipe(0), recipe(1)] });
  }

  /** The page for admins; for other visitors, a sign-in form or the reason for the refusal. */
  async #admitted(trial: Trial | undefined): Promise<Response> {
    try {
      const { keys } = await this.#receipts(1);
      // Only admins get sums by key.
      if (keys === undefined) throw new ApiFault(403, "this is not an admin's key");
      return new Response(ReadableStream.from(this.#parts(trial)) as unknown as globalThis.ReadableStream, {
        headers: HEADERS,
      });
    } catch (error) {
      if (!(error instanceof ApiFault)) throw error;
      const signIn = error.status === 401 || (error.status === 403 && this.#secret !== undefined);
      return this.#short(error.status, signIn ? signInSection(undefined) : faultSection(error.message));
    }
  }

  #receipts(limit: number): Promise<ListedReceipts> {
    return this.#api.get(`/v1/receipts?limit=${limit}`);
  }

  /** Yields the page in parts, so that the first answer can be read before the second is ready. */
  async *#parts(trial: Trial | undefined): AsyncGenerator<Uint8Array> {
    const encoder = new TextEncoder();
    for await (const { text } of this.#html(trial)) yield encoder.encode(text);
  }

  async *#html(trial: Trial | undefined): AsyncGenerator<Html> {
    yield pageStart({ version: this.options.version, signedIn: this.#secret !== undefined, menu: true });
    try {
      const [models, savings, fault] = [await this.#models(), await this.#savings(), trial && faultOf(trial)];
      yield chatForm({ models, savings, trial, fault });
      if (trial && fault === undefined) yield* this.#compared(trial, models);
      yield CHAT_END;
      yield* await this.#sections();
    } catch (error) {
      if (!(error instanceof ApiFault) && !(error instanceof UserError)) throw error;
      yield faultSection(error.message);
    }
    yield PAGE_END;
  }

  /** Runs the two answers one after the other, so that each has the machine to itself. */
  async *#compared(trial: Trial, models: readonly ListedModel[]): AsyncGenerator<Html> {
    const outcomes: Outcome[] = [];
    yield html`<div class="pair" id="answers">`;
    for (const recipe of trial.recipes) {
      yield waiting(recipe);
      outcomes.push(await this.#outcome(trial, recipe, models));
      yield outcomeOf(outcomes.at(-1)!);
    }
    yield html`</div>`;
    const [first, second] = outcomes as [Outcome, Outcome];
    if ("receipt" in first && "receipt" in second) yield comparison(first, second);
  }

  async #models(): Promise<readonly ListedModel[]> {
    return (await this.#api.get<{ data: ListedModel[] }>("/v1/models")).data;
  }

  async #savings(): Promise<ListedSaving[]> {
    const { data } = await this.#api.get<{ data: ListedSaving[] }>("/v1/savings");
    return data.filter(({ kind }) => kind === "saving");
  }

  async #sections(): Promise<Html[]> {
    // The plot code and the lab are loaded for the first visitor, not for every server.
    const { frontiersSection, keysSection, lastRuns, modelsSection, spentSection } = await import("./sections.ts");
    const { lab, keys } = this.options;
    const all = await keys.list();
    return [
      modelsSection(await this.#models()),
      spentSection(await this.#receipts(RECEIPTS), new Map(all.map(({ id, name }) => [id, name]))),
      frontiersSection(lab === undefined ? undefined : await lastRuns(lab)),
      keysSection(all),
    ];
  }

  /** The model's own sampling settings apply, since the request has none. */
  async #outcome({ model, prompt }: Trial, recipe: string, models: readonly ListedModel[]): Promise<Outcome> {
    try {
      const { choices, receipt } = await this.#api.post<ChatAnswer>("/v1/chat/completions", {
        ...namingOf(model, recipe, models),
        ...{
          messages: [{ role: "user", content: prompt }],
          max_tokens: ANSWER_TOKENS,
          seed: SEED,
          cache_prompt: false,
        },
      });
      const { message, finish_reason } = choices[0]!;
      return { recipe, text: message.content ?? "", finish: finish_reason, receipt };
    } catch (error) {
      if (error instanceof ApiFault) return { recipe, fault: error.message };
      throw error;
    }
  }

  async signIn(): Promise<Response> {
    const { key } = await this.c.req.parseBody();
    const secret = typeof key === "string" ? key.trim() : "";
    const owner = await this.options.keys.find(secret);
    if (!owner?.scopes.includes("admin")) return this.#short(401, signInSection("This is not an admin's key."));
    const secure = new URL(this.c.req.url).protocol === "https:" || this.c.req.header("x-forwarded-proto") === "https";
    const cookie = { httpOnly: true, sameSite: "Strict", path: "/", maxAge: LASTS / 1000, secure } as const;
    setCookie(this.c, COOKIE, this.sessions.open(secret), cookie);
    return this.c.redirect("/", 303);
  }

  signOut(): Response {
    if (this.#session !== undefined) this.sessions.close(this.#session);
    deleteCookie(this.c, COOKIE, { path: "/" });
    return this.c.redirect("/", 303);
  }

  #short(status: number, section: Html): Response {
    const start = pageStart({ version: this.options.version, signedIn: this.#secret !== undefined, menu: false });
    return new Response(start.text + section.text + PAGE_END.text, { status, headers: HEADERS });
  }
}

/** The reason the trial cannot run; undefined if it can. */
function faultOf({ prompt, recipes }: Trial): string | undefined {
  if (prompt.trim() === "") return "The prompt is empty; expected a question or a text to work on.";
  const place = recipes.indexOf("");
  if (place < 0) return undefined;
  return `The ${place === 0 ? "first" : "second"} recipe is empty; expected savings, such as xattention:threshold=0.9, or a recipe from the list.`;
}
