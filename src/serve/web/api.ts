import type { KindName } from "../../engine/kinds/index.ts";
import type { LedgerSum } from "../../ledger/query.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { isObject } from "../../weights/json.ts";

/** The server's own HTTP API, used by the console with the visitor's rights, limits and bills. */
export interface Api {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body: object): Promise<T>;
}

/** An error response of the API, with its message. */
export class ApiFault extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The API for one visitor: requests have the visitor's host and key. */
export function apiFor(
  request: Request,
  secret: string | undefined,
  answer: (request: Request) => Response | Promise<Response>,
): Api {
  const headers = { "content-type": "application/json", ...(secret && { authorization: `Bearer ${secret}` }) };
  const ask = async (path: string, init: RequestInit) => {
    const response = await answer(
      new Request(new URL(path, request.url), { ...init, headers, signal: request.signal }),
    );
    const body: unknown = await response.json();
    if (!response.ok) throw new ApiFault(response.status, messageOf(body));
    return body;
  };
  return {
    get: async <T>(path: string) => (await ask(path, {})) as T,
    post: async <T>(path: string, body: object) =>
      (await ask(path, { method: "POST", body: JSON.stringify(body) })) as T,
  };
}

function messageOf(body: unknown): string {
  const error = isObject(body) ? body["error"] : undefined;
  return isObject(error) && typeof error["message"] === "string" ? error["message"] : "the server gave no reason";
}

/** The parts of the API's answers that the console shows. */
export interface ListedModel {
  readonly id: string;
  readonly bytes: number;
  readonly recipe: readonly string[];
  /** Names of the model's registered recipes. */
  readonly recipes: readonly string[];
  readonly kind?: KindName;
  readonly parent?: string;
  readonly pair?: { readonly swift: string; readonly super: string };
  readonly plan?: { readonly executor: string };
  readonly servers?: object;
  readonly loaded: readonly { readonly quant: string; readonly users: number }[];
}

export interface ListedSaving {
  readonly kind: string;
  readonly name: string;
  readonly summary: string;
  readonly models: readonly string[];
}

export interface ListedReceipts {
  readonly data: readonly Receipt[];
  readonly sum: LedgerSum;
  readonly keys?: readonly (LedgerSum & { readonly key: string | null })[];
}

export interface ChatAnswer {
  readonly choices: readonly {
    readonly message: { readonly content: string | null };
    readonly finish_reason: string;
  }[];
  readonly receipt: Receipt;
}
