import { type DestinationStream, type Logger, pino } from "pino";

/** Logs as JSON, a line each; never an answer's text, and a prompt's only where that is asked for. */
export const createLog = (to: DestinationStream, level = "info"): Logger =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, to);
