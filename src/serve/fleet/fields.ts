import type { JsonObject } from "../../weights/json.ts";
import { type Document, documentTexts } from "../generation/documents.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { Limits } from "../limits.ts";
import type { ServerContext } from "../server-context.ts";
import { refuseAddresses } from "./addresses.ts";
import type { RemoteOptions } from "./file.ts";
import { checkImages } from "./images.ts";

/** A request's body as received, and the same body as its endpoint's schema parsed it. */
export interface ReceivedRequest {
  readonly body: JsonObject;
  readonly input: JsonObject;
}

/** OpenAI's fields that local models ignore. They cannot make a server fetch anything or spend more. */
const OPENAI = ["metadata", "prompt_cache_key", "reasoning_effort", "safety_identifier", "user", "verbosity"];

/** Undocumented fields to forward if the request's model runs on other servers. */
export function forwardedFields(
  { fleet }: Pick<ServerContext, "fleet">,
  { paths }: Endpoint,
  model = "",
): readonly string[] {
  const destination = isGeneration(paths[0]!) ? fleet.find(model) : undefined;
  return destination ? [...OPENAI, ...destination.remote.options.pass] : [];
}

const isGeneration = (path: string): boolean => path === "/v1/chat/completions" || path === "/v1/completions";

/**
 * The forwarded fields of a request: fields documented here, OpenAI's other fields, and fields that the model's entry
 * in the fleet file allows. Unknown fields are left out, since they could make a server fetch an address.
 * @throws HttpError
 */
export function fieldsFor(
  { kind, pass }: RemoteOptions,
  path: string,
  { body, input }: ReceivedRequest,
  limits: Limits,
): JsonObject {
  switch (path) {
    case "/v1/chat/completions":
    case "/v1/completions":
      refuseAddresses({ ...body, response_format: input["response_format"] });
      checkImages(input, limits);
      return { ...picked(body, [...OPENAI, ...pass]), ...input };
    case "/v1/rerank":
    case "/v2/rerank":
      if (input["texts"]) throw new HttpError(400, TEXTS, { param: "texts" });
      // A Modicum server ignores documents' extra fields and returns them unchanged; other servers get only the texts.
      return kind === "modicum" ? input : textsAlone(input, limits);
    default:
      return input;
  }
}

const TEXTS = "texts: not supported for a model on other servers; send documents";

const picked = (body: JsonObject, names: readonly string[]): JsonObject =>
  Object.fromEntries(names.filter((name) => Object.hasOwn(body, name)).map((name) => [name, body[name]]));

function textsAlone({ documents, rank_fields: fields, ...rest }: JsonObject, limits: Limits): JsonObject {
  return { ...rest, documents: documentTexts(documents as Document[], fields as string[] | undefined, limits) };
}
