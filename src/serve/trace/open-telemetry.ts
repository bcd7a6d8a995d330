import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer as Spans,
  trace,
} from "@opentelemetry/api";
import { setGlobalErrorHandler, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { Logger } from "pino";
import type { Receipt } from "../../ledger/receipt.ts";
import { UserError } from "../../util/errors.ts";
import { isAsking } from "../http/endpoint.ts";
import type { HttpError } from "../http/errors.ts";
import { billAttributes, requestAttributes, usageAttributes } from "./attributes.ts";
import { silent, type Trace, type TracedRequest, type Tracer } from "./trace.ts";

const propagator = new W3CTraceContextPropagator();
const headersGetter = {
  get: (h: Headers, name: string) => h.get(name) ?? undefined,
  keys: (h: Headers) => [...h.keys()],
};
const recordSetter = {
  set: (to: Record<string, string>, name: string, value: string) => void Object.assign(to, { [name]: value }),
};

/** Sends spans to a collector, configured by OpenTelemetry's own environment variables. @throws UserError */
export function openTelemetry(env: NodeJS.ProcessEnv, version: string, log: Logger): Tracer {
  if (env["OTEL_EXPORTER_OTLP_PROTOCOL"] === "grpc")
    throw new UserError(
      "OTEL_EXPORTER_OTLP_PROTOCOL is grpc, expected http/json or http/protobuf: traces are sent by HTTP, as JSON",
    );
  const named = resourceFromAttributes({ "service.name": "modicum", "service.version": version });
  const resource = defaultResource()
    .merge(named)
    .merge(detectResources({ detectors: [envDetector] }));
  const processor = new BatchSpanProcessor(new OTLPTraceExporter());
  const provider = new BasicTracerProvider({ resource, spanProcessors: [processor] });
  const spans = provider.getTracer("modicum", version);
  setGlobalErrorHandler((error) => log.warn({ reason: (error as Error).message }, "traces could not be sent"));
  const begin = (request: TracedRequest) => (isAsking(request.it) ? new RequestTrace(spans, request) : silent(request));
  return { begin, close: () => provider.shutdown().catch(() => {}) };
}

/** Records a request's span, with a child span for each part. */
class RequestTrace implements Trace {
  readonly headers: Record<string, string> = {};
  readonly #began = Date.now();
  readonly #span: Span;
  readonly #context: Context;

  constructor(
    private readonly spans: Spans,
    taken: TracedRequest,
  ) {
    const parent = propagator.extract(ROOT_CONTEXT, taken.headers, headersGetter);
    const attributes = requestAttributes(taken);
    const name = `${attributes["gen_ai.operation.name"]} ${attributes["gen_ai.request.model"]}`;
    this.#span = spans.startSpan(name, { kind: SpanKind.SERVER, attributes, startTime: this.#began }, parent);
    this.#context = trace.setSpan(parent, this.#span);
    propagator.inject(this.#context, this.headers, recordSetter);
  }

  part(receipt: Receipt): void {
    const now = Date.now();
    if (receipt.server === undefined) this.#local(receipt, now);
    else this.#below("remote", this.#began, now, { ...usageAttributes(receipt), "server.address": receipt.server });
  }

  /** Records the spans of a local part that ends now, from its receipt's times; before them, the part was waiting. */
  #local(receipt: Receipt, now: number): void {
    const { load, encode, prefill, decode } = receipt.ms;
    const decoding = now - decode;
    const reading = decoding - prefill;
    const seeing = reading - encode;
    const waited = Math.max(this.#began, seeing - load);
    this.#below("queue", this.#began, waited);
    if (load > 0) this.#below("load", waited, seeing);
    if (encode > 0) this.#below("encode", seeing, reading);
    this.#below("prefill", reading, decoding, { "gen_ai.usage.input_tokens": receipt.tokens.prompt });
    if (receipt.tokens.completion > 0) this.#below("decode", decoding, now, usageAttributes(receipt));
  }

  #below(name: string, from: number, to: number, attributes = {}): void {
    const kind = name === "remote" ? SpanKind.CLIENT : SpanKind.INTERNAL;
    const startTime = Math.max(this.#began, from);
    this.spans.startSpan(name, { kind, attributes, startTime }, this.#context).end(Math.max(startTime, to));
  }

  billed(receipt: Receipt, reason: string): void {
    this.#span.setAttributes(billAttributes(receipt, reason));
  }

  end(fault?: HttpError): void {
    this.#span.setAttribute("http.response.status_code", fault?.status ?? 200);
    if (fault) this.#span.setAttribute("error.type", fault.details.code ?? String(fault.status));
    // A client's mistake is not a failure of the server's span.
    if (fault && fault.status >= 500) this.#span.setStatus({ code: SpanStatusCode.ERROR });
    this.#span.end();
  }
}
