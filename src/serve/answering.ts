import type { ZodType } from "zod";
import { isObject } from "../weights/json.ts";
import { forwardedFields } from "./fleet/fields.ts";
import { answerOf } from "./fleet/proxy.ts";
import { accepted, type Endpoint, isAsking } from "./http/endpoint.ts";
import { errorResponse, failure, HttpError } from "./http/errors.ts";
import { readJson } from "./http/json.ts";
import { type Events, eventStream, type StreamWatcher } from "./http/stream.ts";
import { ignoredFields, ignoredHeader, takesField } from "./http/unknown-fields.ts";
import type { Access } from "./keys/access.ts";
import { type Limits, MOST_DEPTH, MOST_VALUES } from "./limits.ts";
import { RequestLine } from "./request-line.ts";
import type { ServerContext } from "./server-context.ts";
import type { Trace } from "./trace/trace.ts";
import type { UnderWay } from "./under-way.ts";

type Params = Readonly<Record<string, string>>;

/** Answers requests with their endpoints, from identifying the caller to the end of the response. */
export class Answering {
  constructor(
    private readonly context: ServerContext,
    private readonly access: Access,
    private readonly underWay: UnderWay,
  ) {}

  async answer(it: Endpoint, request: Request, params: Params): Promise<Response> {
    const line = new RequestLine(this.context.log, request);
    try {
      return withHeaders(await this.#answer(it, request, params, line), line.headers);
    } catch (error) {
      return this.refuse(error, line);
    }
  }

  /** Answers an error that occurs before any endpoint runs. */
  refuse(error: unknown, line: RequestLine): Response {
    const fault = this.#explain(error);
    line.end(fault.status);
    return withHeaders(errorResponse(fault), line.headers);
  }

  async #answer(it: Endpoint, request: Request, params: Params, line: RequestLine): Promise<Response> {
    const { caller, headers, body, input } = await this.#read(it, request, line);
    if (isAsking(it)) await this.context.ledger.caughtUp();
    const { signal, end: leave } = this.underWay.begin(request.signal);
    const trace = line.within(this.context.tracer.begin({ it, body, headers: request.headers }));
    const watcher = this.#watcher(signal, trace, leave);
    try {
      const call = { signal, params, trace, taken: line.taken, ...caller };
      const answer = await answerOf(this.context, it, { body, input }, call);
      if (isStream(answer)) return withHeaders(await eventStream(answer, watcher), headers);
      watcher.end();
      return answer instanceof Response ? answer : Response.json(answer, { headers });
    } catch (error) {
      const response = errorResponse(watcher.explain(error));
      watcher.end();
      return response;
    }
  }

  /** The client's view of an error; hidden details are logged. */
  #explain(error: unknown): HttpError {
    const { catalogue, metrics, log } = this.context;
    const { status, message, details } = failure(error);
    metrics.failed(status);
    if (message !== (error as Error).message) log.error({ err: error }, "a request failed");
    return new HttpError(status, catalogue.withoutPaths(message), details);
  }

  async #read(it: Endpoint, request: Request, line: RequestLine) {
    const { log, logPrompts, limits, rates: all } = this.context;
    const caller = await this.access.check(request, it);
    line.note({ key: caller.key?.id });
    const rates = caller.key && isAsking(it) ? all.enter(caller.key) : {};
    const sent = it.input && (await bodyOf(it, request, limits));
    const body = it.input && withModel(it.input, sent, this.context.catalogue.only);
    if (isAsking(it)) line.note({ model: modelIn(body) });
    const ignored = it.input ? ignoredFields(it.input, sent, forwardedFields(this.context, it, modelIn(body))) : [];
    const input = it.input && accepted(it.input, body);
    if (logPrompts && isAsking(it)) log.info({ path: it.paths[0], key: caller.key?.id, request: body }, "a request");
    return { caller, headers: { ...rates, ...ignoredHeader(ignored) }, body, input };
  }

  /** Reports the last error to the trace when the request ends. */
  #watcher(signal: AbortSignal, trace: Trace, leave: () => void): StreamWatcher {
    let fault: HttpError | undefined;
    return {
      explain: (error) => {
        fault = this.#explain(error);
        return fault;
      },
      end() {
        leave();
        trace.end(signal.aborted ? failure(signal.reason) : fault);
      },
    };
  }
}

/** A request that names no model goes to the server's only model. */
function withModel(schema: ZodType, body: unknown, only: string | undefined): unknown {
  if (only === undefined || !isObject(body) || !takesField(schema, "model")) return body;
  return body["model"] === undefined || body["model"] === "" ? { ...body, model: only } : body;
}

function modelIn(body: unknown): string | undefined {
  const model = isObject(body) ? body["model"] : undefined;
  return typeof model === "string" ? model.slice(0, 300) : undefined;
}

function withHeaders(response: Response, headers: Readonly<Record<string, string>>): Response {
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}

const isStream = (answer: object): answer is Events => Symbol.asyncIterator in answer;

async function bodyOf({ method }: Endpoint, request: Request, { maxBody, maxTexts }: Limits): Promise<unknown> {
  const most = { body: maxBody, depth: MOST_DEPTH, values: Math.max(MOST_VALUES, 10 * maxTexts) };
  if (method === "post") return readJson(request, most);
  return Object.fromEntries(new URL(request.url).searchParams);
}
