import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Receipt } from "../ledger/receipt.ts";
import { watchedCertificates } from "../savings/auto/audit-state.ts";
import { AdapterUse } from "./adapter-use.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { Pool } from "./models/pool.ts";

/** Active models, here or on other servers. */
interface Working<L> {
  list(): readonly L[];
}

const model = ["model_name"] as const;
const bySaving = ["model_name", "saving"] as const;
const seconds = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

/**
 * The server's metrics in Prometheus' format. A metric that vLLM also has keeps vLLM's name and meaning, so that vLLM's
 * dashboards work.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly #finished = this.#counter("vllm:request_success_total", "requests answered", [
    "model_name",
    "finished_reason",
  ]);
  readonly #failed = this.#counter("modicum:request_failure_total", "requests refused or failed", ["status"]);
  readonly #prompt = this.#counter("vllm:prompt_tokens_total", "tokens of prompts");
  readonly #looked = this.#counter("vllm:prefix_cache_queries_total", "prompt tokens looked up in the cache");
  readonly #cached = this.#counter("vllm:prefix_cache_hits_total", "prompt tokens found in the cache");
  readonly #generated = this.#counter("vllm:generation_tokens_total", "tokens generated");
  readonly queued = this.#histogram("vllm:request_queue_time_seconds", "that an answer waits to start");
  readonly firstToken = this.#histogram("vllm:time_to_first_token_seconds", "until an answer's first token");
  readonly betweenTokens = this.#histogram("vllm:inter_token_latency_seconds", "from one token to the next");
  readonly #whole = this.#histogram("vllm:e2e_request_latency_seconds", "until a request is answered");
  readonly #dense = this.#counter("modicum:flops_dense_total", "FLOPs of the dense runs", bySaving);
  readonly #spent = this.#counter("modicum:flops_spent_total", "FLOPs spent, overhead included", bySaving);
  readonly #overhead = this.#counter("modicum:flops_overhead_total", "FLOPs of the savings' own overhead", bySaving);
  readonly #decoding = this.#counter("modicum:decode_seconds_total", "time spent generating after a prompt", bySaving);
  readonly #decoded = this.#counter("modicum:decode_tokens_total", "tokens generated in that time", bySaving);

  readonly adapters = new AdapterUse();

  /** `adapterCount`: the number of LoRA adapters offered, each in memory with its base. */
  constructor(pool: Pick<Pool, "list" | "waiting">, fleet: Pick<Fleet, "list" | "running">, adapterCount = 0) {
    const remote = () => fleet.running().map((it) => ({ ...it, running: it.users }));
    const work = { list: () => [...pool.list(), ...pool.waiting(), ...remote()] };
    collectDefaultMetrics({ register: this.registry });
    this.#gauge(
      "vllm:num_requests_running",
      "running answers",
      counted(work, ({ running }) => running),
    );
    this.#gauge(
      "vllm:num_requests_waiting",
      "answers waiting to start, for their model, or for its memory",
      counted(work, ({ waiting }) => waiting),
    );
    this.#gauge(
      "vllm:kv_cache_usage_perc",
      "share of a model's cache rows in use; 1 is all",
      counted(pool, ({ keyValues }) => keyValues?.usage ?? 0),
    );
    this.#gauge(
      "modicum:kv_cache_bytes",
      "bytes of keys and values, of running and of cached answers",
      counted(pool, ({ keyValues }) => keyValues?.bytes ?? 0),
    );
    this.#gauge(
      "modicum:audit_wealth",
      "evidence against a certificate, as the wealth of a betting test; the certificate goes off at 1/(1 - confidence)",
      (gauge) => {
        for (const { certificate, wealth } of watchedCertificates()) gauge.set({ certificate }, wealth);
      },
    );
    this.#gauge("modicum:recipe_off", "whether a certificate is off, by an audit or by hand", (gauge) => {
      for (const { certificate, off } of watchedCertificates()) gauge.set({ certificate }, Number(off));
    });
    if (adapterCount > 0) this.#adapterGauge(adapterCount);
    this.#gauge("modicum:server_up", "1 if a server behind a model answers, otherwise 0", (gauge) => {
      for (const { options, servers } of fleet.list())
        for (const { name, up } of servers) gauge.set({ model_name: options.name, server: name }, Number(up));
    });
  }

  /** One series, as in vLLM: its labels list the adapters, and its value is the time of the scrape in seconds. */
  #adapterGauge(adapterCount: number): void {
    const { adapters } = this;
    new Gauge({
      name: "vllm:lora_requests_info",
      help: "adapters of running and waiting requests, in labels; the value is the time in seconds",
      registers: [this.registry],
      labelNames: ["max_lora", "running_lora_adapters", "waiting_lora_adapters"],
      collect() {
        this.reset();
        const [running, waiting] = [adapters.running.join(","), adapters.waiting.join(",")];
        const labels = { max_lora: adapterCount, running_lora_adapters: running, waiting_lora_adapters: waiting };
        this.set(labels, Date.now() / 1000);
      },
    });
  }

  /** `read` is called for every scrape. */
  #gauge(name: string, help: string, read: (gauge: Gauge) => void): void {
    const collect = (gauge: Gauge) => {
      gauge.reset();
      read(gauge);
    };
    const config = { name, help, registers: [this.registry], labelNames: [...model, "server", "certificate"] };
    new Gauge({
      ...config,
      collect() {
        collect(this);
      },
    });
  }

  #counter(name: string, help: string, labels: readonly string[] = model): Counter {
    return new Counter({ name, help, registers: [this.registry], labelNames: [...labels] });
  }

  #histogram(name: string, help: string): Histogram {
    return new Histogram({ name, help, registers: [this.registry], labelNames: [...model], buckets: seconds });
  }

  /** Records a request that was answered, or stopped (`abort`), after `elapsed` seconds. */
  finished(receipt: Receipt, reason: string, elapsed: number): void {
    const by = { model_name: receipt.model };
    this.#finished.inc({ ...by, finished_reason: reason });
    this.#whole.observe(by, elapsed);
    this.#prompt.inc(by, receipt.tokens.prompt);
    this.#looked.inc(by, receipt.tokens.prompt);
    this.#cached.inc(by, receipt.tokens.cached);
    this.#generated.inc(by, receipt.tokens.completion);
    this.#bySaving(receipt);
  }

  /**
   * Adds a request's cost, labelled by the savings' names only: with their options, the number of labels would be
   * unlimited.
   */
  #bySaving({ model: name, recipe, flops, ms, tokens }: Receipt): void {
    const saving = recipe.map((text) => text.split(":")[0]).join("+") || "dense";
    const by = { model_name: name, saving };
    this.#dense.inc(by, flops.dense);
    this.#spent.inc(by, flops.spent);
    this.#overhead.inc(by, flops.overhead);
    this.#decoding.inc(by, ms.decode / 1000);
    this.#decoded.inc(by, tokens.completion);
  }

  failed(status: number): void {
    this.#failed.inc({ status: String(status) });
  }
}

/** Sums a figure by model, across the forms of its weights. */
const counted =
  <L extends { id: string }>(work: Working<L>, of: (listed: L) => number) =>
  (gauge: Gauge) => {
    for (const listed of work.list()) gauge.inc({ model_name: listed.id }, of(listed));
  };
