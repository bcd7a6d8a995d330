import { HttpError } from "./errors.ts";
import { shapeOf } from "./shape.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

export interface BodyLimits {
  /** Bytes. */
  readonly body: number;
  /** Nesting depth of brackets. */
  readonly depth: number;
  /** The number of values in lists and objects. */
  readonly values: number;
}

/** Reads and parses a request's JSON body. @throws HttpError */
export async function readJson(request: Request, limits: BodyLimits): Promise<unknown> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  // Browsers can send other content types to a foreign server without a preflight request.
  if (type !== "application/json")
    throw new HttpError(415, `expected the content type application/json, got ${type ?? "none"}`);
  const coding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (coding !== "identity") throw new HttpError(415, `compressed bodies are not supported (${coding})`);
  return parseJson(decoded(await readBody(request, limits.body)), limits);
}

/**
 * @throws HttpError for more than `most` bytes, which are not stored; also if the client leaves or is too slow, which
 * is not a server error
 */
async function readBody(request: Request, most: number): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (Number(announced ?? 0) > most) throw tooLarge(most);
  try {
    // Node enforces an announced length; reading the body whole is faster than as a stream.
    return announced === null ? await readParts(request, most) : new Uint8Array(await request.arrayBuffer());
  } catch (error) {
    throw error instanceof HttpError ? error : new HttpError(400, "the body broke off");
  }
}

async function readParts({ body }: Request, most: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  // Cancelling the stream would end the connection before the answer is sent.
  for await (const part of body?.values({ preventCancel: true }) ?? []) {
    size += part.length;
    if (size > most) throw tooLarge(most);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const tooLarge = (most: number) => new HttpError(413, `the body has more than ${most} bytes, the limit of this server`);

function decoded(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new HttpError(400, "the body is not valid UTF-8");
  }
}

function parseJson(text: string, most: BodyLimits): unknown {
  const { depth, values, twice } = shapeOf(text, most);
  if (depth > most.depth) throw new HttpError(400, `the body's JSON is nested more than ${most.depth} levels deep`);
  if (values > most.values) throw new HttpError(400, `the body's JSON has more than ${most.values} values`);
  const value = parsed(text);
  if (twice !== undefined) throw new HttpError(400, `the body has "${twice.slice(0, 60)}" twice in one object`);
  return value;
}

function parsed(text: string): unknown {
  if (text.trim() === "") throw new HttpError(400, "the body is empty, expected JSON");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HttpError(400, `the body is not JSON: ${(error as Error).message.slice(0, 120)}`);
  }
}
