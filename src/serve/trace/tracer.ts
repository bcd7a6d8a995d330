import type { Logger } from "pino";
import { type Tracer, untraced } from "./trace.ts";

/** The tracer that the environment selects. @throws UserError */
export async function tracerFrom(env: NodeJS.ProcessEnv, version: string, log: Logger): Promise<Tracer> {
  const endpoint = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] ?? env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  if (!endpoint || env["OTEL_SDK_DISABLED"] === "true") return untraced;
  const { openTelemetry } = await import("./open-telemetry.ts");
  return openTelemetry(env, version, log);
}
