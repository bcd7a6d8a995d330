import type { JsonObject } from "../../weights/json.ts";
import { type Document, documentTexts } from "../generation/documents.ts";
import type { Limits } from "../limits.ts";
import { refuseAddresses } from "./addresses.ts";
import type { RemoteOptions } from "./file.ts";
import { checkImages } from "./images.ts";

/** A request as it came, and what its endpoint's description takes of it. */
export interface Asked {
  readonly body: JsonObject;
  readonly input: JsonObject;
}

/** Fields of OpenAI's API that the models which run here have no use for, and by which a server fetches nothing and spends no more. */
const OPENAI = ["metadata", "prompt_cache_key", "reasoning_effort", "safety_identifier", "user", "verbosity"];

/**
 * The fields of a request that go to other servers: those that this server describes, OpenAI's further fields, and
 * those that the model's entry in the fleet's file allows. Unknown fields are left out, since many a field can send a
 * server to an address. @throws HttpError
 */
export function fieldsFor(
  { kind, pass }: RemoteOptions,
  path: string,
  { body, input }: Asked,
  limits: Limits,
): JsonObject {
  switch (path) {
    case "/v1/chat/completions":
    case "/v1/completions":
      refuseAddresses(body);
      checkImages(input, limits);
      return { ...picked(body, [...OPENAI, ...pass]), ...input };
    case "/v1/rerank":
    case "/v2/rerank":
      // A Modicum reads nothing else of documents itself, and gives them back whole.
      return kind === "modicum" ? input : textsAlone(input, limits);
    default:
      return input;
  }
}

const picked = (body: JsonObject, names: readonly string[]): JsonObject =>
  Object.fromEntries(names.filter((name) => Object.hasOwn(body, name)).map((name) => [name, body[name]]));

function textsAlone({ documents, rank_fields: fields, ...rest }: JsonObject, limits: Limits): JsonObject {
  return { ...rest, documents: documentTexts(documents as Document[], fields as string[] | undefined, limits) };
}
