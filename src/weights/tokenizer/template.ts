import { createContext, Script } from "node:vm";
import * as jinja from "@huggingface/jinja";
import { UserError } from "../../util/errors.ts";
import { strftime } from "./strftime.ts";

/** Limits far above what a chat needs, because a model's template is untrusted code. */
const MOST = { milliseconds: 1000, steps: 2_000_000, list: 100_000, characters: 1 << 24, items: 2_000_000, kept: 16 };

type Program = object;
type Statement = { type: string; property?: { value?: unknown } } | undefined;

interface Value {
  type: string;
  value: unknown;
}

interface Environment {
  set(name: string, value: unknown): unknown;
}

interface Interpreter {
  run(program: Program): Value;
  evaluate(statement: Statement, environment: Environment): Value;
}

/** The parts of the library that are used; its own declarations do not resolve in an ES module. */
const { Environment, Interpreter, parse, tokenize } = jinja as unknown as {
  Environment: new () => Environment;
  Interpreter: new (environment: Environment) => Interpreter;
  parse(tokens: unknown): Program;
  tokenize(template: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }): unknown;
};

const programs = new Map<string, Program>();

/**
 * Renders a Jinja template with `variables` (plain JSON). It is stopped after a second, and before its lists and texts
 * fill memory.
 * @throws UserError if it fails, refuses the chat or is stopped
 */
export function renderTemplate(template: string, variables: Record<string, unknown>): string {
  try {
    return withDeadline(() => {
      const interpreter = new BoundedInterpreter(environmentOf(variables));
      return String(interpreter.run(programOf(template)).value);
    });
  } catch (error) {
    throw new UserError(`the chat template cannot render this chat: ${reasonOf(error)}`);
  }
}

function programOf(template: string): Program {
  const known = programs.get(template);
  if (known !== undefined) return known;
  const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
  if (programs.size >= MOST.kept) programs.clear();
  programs.set(template, program);
  return program;
}

function environmentOf(variables: Record<string, unknown>): Environment {
  const environment = new Environment();
  const constants = { true: true, True: true, false: false, False: false, none: null, None: null };
  const functions = { range, strftime_now: (format: unknown) => strftime(new Date(), String(format)), raise_exception };
  for (const [name, value] of Object.entries({ ...constants, ...functions, ...variables }))
    environment.set(name, value);
  return environment;
}

function raise_exception(reason: unknown): never {
  throw new Error(String(reason));
}

function range(first: number, last?: number, step = 1): number[] {
  const [start, stop] = last === undefined ? [0, first] : [first, last];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= MOST.list))
    throw new Error(`it asks for a range of ${length} numbers, expected at most ${MOST.list}`);
  return Array.from({ length }, (_, i) => start + i * step);
}

/** Counts a template's steps and the sizes of its values. */
class BoundedInterpreter extends Interpreter {
  private steps = 0;
  private items = 0;
  private characters = 0;
  private readonly counted = new WeakSet<object>();

  override evaluate(statement: Statement, environment: Environment): Value {
    if (++this.steps > MOST.steps) throw new Error(`it takes more than ${MOST.steps} steps`);
    const value = super.evaluate(statement, environment);
    if (value.type === "UndefinedValue") refuseInternals(statement);
    else if (typeof value.value === "string") this.count(value, "characters", value.value.length);
    else if (Array.isArray(value.value)) this.count(value, "items", value.value.length);
    return value;
  }

  private count(value: Value, what: "items" | "characters", size: number): void {
    if (size < 64 || this.counted.has(value)) return;
    this.counted.add(value);
    this[what] += size;
    if (this[what] > MOST[what]) throw new Error(`it makes more than ${MOST[what]} ${what}`);
  }
}

/** Refuses access to the internals of objects, which templates never need; a field of the chat may have any name. */
function refuseInternals(statement: Statement): void {
  if (statement?.type !== "MemberExpression") return;
  const name = statement.property?.value;
  if (typeof name === "string" && /^(__.*|constructor|prototype)$/.test(name)) {
    throw new Error(`it uses "${name}", which is not a field of the chat`);
  }
}

const context = createContext({ work: undefined });
const script = new Script("work()");

/**
 * Runs `work` until a wall-clock deadline. Restarts the work if the process was suspended and got hardly any CPU time
 * before the deadline.
 */
function withDeadline<T>(work: () => T): T {
  const before = process.cpuUsage();
  try {
    return untilStopped(work);
  } catch (error) {
    const { user, system } = process.cpuUsage(before);
    if (!isLate(error) || (user + system) / 1000 > MOST.milliseconds / 2) throw error;
    return untilStopped(work);
  }
}

/** Runs `work`, which V8 stops at the deadline, whatever it is doing. */
function untilStopped<T>(work: () => T): T {
  context.work = work;
  try {
    return script.runInContext(context, { timeout: MOST.milliseconds }) as T;
  } finally {
    context.work = undefined;
  }
}

const isLate = (error: unknown): boolean => (error as { code?: string }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT";

function reasonOf(error: unknown): string {
  const { message } = error as { message?: string };
  if (isLate(error)) return `it takes more than ${MOST.milliseconds / 1000} s`;
  if (error instanceof RangeError && /call stack/.test(error.message)) return "it recurses too deeply";
  return String(message ?? error).split("\n")[0]!;
}
