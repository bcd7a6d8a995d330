import { ReadableStream } from "node:stream/web";
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { UserError } from "../../util/errors.ts";
import type { Html } from "../../util/html.ts";
import type { KeyStore } from "../keys/store.ts";
import { type Api, ApiFault, apiFor, type ChatAnswer, type ListedModel, type ListedReceipts } from "./api.ts";
import { ANSWER_TOKENS, CHAT_END, chatForm, type Outcome, outcomeOf, type Trial } from "./chat-section.ts";
import { faultSection, PAGE_END, pageStart, signInSection } from "./console-page.ts";
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
/** Receipts that are summed over time. */
const RECEIPTS = 1000;

const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "cache-control": "private, no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

const FIRST: Trial = { model: "", prompt: "", recipes: ["dense", "dense"] };

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

  /** The console, or the way to it. */
  page(): Promise<Response> {
    return this.#admitted(FIRST, []);
  }

  /** The console with a prompt's answers. */
  async chat(): Promise<Response> {
    const form = await this.c.req.parseBody({ all: true });
    const text = (value: unknown): string => (typeof value === "string" ? value : "");
    const [first, second] = [form["recipe"]].flat().map(text);
    const recipes = [first?.trim() || "dense", second?.trim() || "dense"] as const;
    return this.#admitted({ model: text(form["model"]), prompt: text(form["prompt"]), recipes }, recipes);
  }

  /** The page for admins; for others, a sign-in or the reason. */
  async #admitted(trial: Trial, recipes: readonly string[]): Promise<Response> {
    try {
      const { keys } = await this.#receipts(1);
      // Only admins get sums by key.
      if (keys === undefined) throw new ApiFault(403, "this key is no admin's");
      return new Response(ReadableStream.from(this.#parts(trial, recipes)) as unknown as globalThis.ReadableStream, {
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

  /** The page as it comes to be, so that the first answer is read while the second is made. */
  async *#parts(trial: Trial, recipes: readonly string[]): AsyncGenerator<Uint8Array> {
    const encoder = new TextEncoder();
    for await (const { text } of this.#html(trial, recipes)) yield encoder.encode(text);
  }

  async *#html(trial: Trial, recipes: readonly string[]): AsyncGenerator<Html> {
    yield pageStart({ version: this.options.version, signedIn: this.#secret !== undefined, menu: true });
    try {
      yield chatForm({ models: await this.#models(), savings: await this.#savings(), trial });
      // One after the other, so that each has the machine to itself.
      for (const recipe of recipes) yield outcomeOf(await this.#outcome(trial, recipe));
      yield CHAT_END;
      yield* await this.#sections();
    } catch (error) {
      if (!(error instanceof ApiFault) && !(error instanceof UserError)) throw error;
      yield faultSection(error.message);
    }
    yield PAGE_END;
  }

  async #models(): Promise<readonly ListedModel[]> {
    return (await this.#api.get<{ data: ListedModel[] }>("/v1/models")).data;
  }

  async #savings(): Promise<string[]> {
    const { data } = await this.#api.get<{ data: { kind: string; name: string }[] }>("/v1/savings");
    return data.filter(({ kind }) => kind === "saving").map(({ name }) => name);
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

  async #outcome({ model, prompt }: Trial, recipe: string): Promise<Outcome> {
    try {
      const { choices, receipt } = await this.#api.post<ChatAnswer>("/v1/chat/completions", {
        ...{ model, messages: [{ role: "user", content: prompt }], temperature: 0, max_tokens: ANSWER_TOKENS },
        savings: recipe === "dense" ? [] : recipe.split(/\s+/),
      });
      return { recipe, text: choices[0]?.message.content ?? "", receipt };
    } catch (error) {
      if (error instanceof ApiFault) return { recipe, fault: error.message };
      throw error;
    }
  }

  async signIn(): Promise<Response> {
    const { key } = await this.c.req.parseBody();
    const secret = typeof key === "string" ? key.trim() : "";
    const found = await this.options.keys.find(secret);
    if (!found?.scopes.includes("admin")) return this.#short(401, signInSection("This is not the key of an admin."));
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
