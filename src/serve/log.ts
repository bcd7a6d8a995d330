import { type DestinationStream, type Logger, pino } from "pino";

/** Logs as JSON, a line each; never a prompt's or an answer's text. */
export const createLog = (to: DestinationStream, level = "info"): Logger =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, to);
