import { join } from "node:path";
import { writeJson } from "../src/util/write-whole.ts";
import { root } from "./section.ts";

// Writes the Grafana dashboard, which would be repetitive to write by hand: `npx tsx tools/dashboard.ts`.

interface Query {
  readonly expr: string;
  /** The series' name, with labels in braces. */
  readonly legend: string;
}

interface Panel {
  readonly title: string;
  readonly description: string;
  /** One of Grafana's units. */
  readonly unit: string;
  readonly queries: readonly Query[];
}

export const DASHBOARD = "deploy/grafana/modicum.json";

const ofModel = 'model_name=~"$model"';
const rate = (counter: string) => `rate(${counter}{${ofModel}}[$__rate_interval])`;
const sum = (by: string, expr: string) => `sum by (${by}) (${expr})`;
const quantile = (share: number, histogram: string): Query => ({
  expr: `histogram_quantile(${share}, ${sum("le, model_name", rate(`${histogram}_bucket`))})`,
  legend: `{{model_name}} p${share * 100}`,
});
const quantiles = (histogram: string) => [quantile(0.5, histogram), quantile(0.95, histogram)];
const perModel = (expr: string): Query => ({ expr: sum("model_name", expr), legend: "{{model_name}}" });
const perSaving = (expr: string): Query => ({ expr, legend: "{{model_name}} {{saving}}" });
const bySaving = (counter: string) => sum("model_name, saving", rate(counter));

const panels: readonly Panel[] = [
  {
    title: "Answers",
    description: "Requests answered, by model.",
    unit: "reqps",
    queries: [perModel(rate("vllm:request_success_total"))],
  },
  {
    title: "Refused and failed",
    description: "Requests that got an error, by status.",
    unit: "reqps",
    queries: [{ expr: sum("status", "rate(modicum:request_failure_total[$__rate_interval])"), legend: "{{status}}" }],
  },
  {
    title: "Running and waiting",
    description: "Requests at the moment.",
    unit: "short",
    queries: [
      { expr: sum("model_name", `vllm:num_requests_running{${ofModel}}`), legend: "{{model_name}} running" },
      { expr: sum("model_name", `vllm:num_requests_waiting{${ofModel}}`), legend: "{{model_name}} waiting" },
    ],
  },
  {
    title: "Time in the queue",
    description: "From a request's arrival until it starts.",
    unit: "s",
    queries: quantiles("vllm:request_queue_time_seconds"),
  },
  {
    title: "Time to the first token",
    description: "The queue and the prompt.",
    unit: "s",
    queries: quantiles("vllm:time_to_first_token_seconds"),
  },
  {
    title: "Time between tokens",
    description: "As seen by a client.",
    unit: "s",
    queries: quantiles("vllm:inter_token_latency_seconds"),
  },
  {
    title: "Whole requests",
    description: "From the first byte of a request to the last byte of its answer.",
    unit: "s",
    queries: quantiles("vllm:e2e_request_latency_seconds"),
  },
  {
    title: "Tokens",
    description: "Prompts read, and tokens generated.",
    unit: "short",
    queries: [
      { ...perModel(rate("vllm:prompt_tokens_total")), legend: "{{model_name}} prompt" },
      { ...perModel(rate("vllm:generation_tokens_total")), legend: "{{model_name}} generated" },
    ],
  },
  {
    title: "Prompts from the cache",
    description: "The share of prompt tokens found in the prefix cache.",
    unit: "percentunit",
    queries: [
      {
        expr: `${sum("model_name", rate("vllm:prefix_cache_hits_total"))} / ${sum("model_name", rate("vllm:prefix_cache_queries_total"))}`,
        legend: "{{model_name}}",
      },
    ],
  },
  {
    title: "FLOPs saved",
    description: "1 − spent / dense, the savings' own work included.",
    unit: "percentunit",
    queries: [perSaving(`1 - ${bySaving("modicum:flops_spent_total")} / ${bySaving("modicum:flops_dense_total")}`)],
  },
  {
    title: "Time per generated token",
    description: "A saving whose line is above dense's costs more time than it saves.",
    unit: "s",
    queries: [perSaving(`${bySaving("modicum:decode_seconds_total")} / ${bySaving("modicum:decode_tokens_total")}`)],
  },
  {
    title: "Keys and values",
    description: "Rows in use, as a share of a model's rows.",
    unit: "percentunit",
    queries: [perModel(`vllm:kv_cache_usage_perc{${ofModel}}`)],
  },
  {
    title: "Memory",
    description: "The process, and its keys and values.",
    unit: "bytes",
    queries: [
      { expr: "process_resident_memory_bytes", legend: "{{instance}}" },
      { expr: sum("instance", "modicum:kv_cache_bytes"), legend: "{{instance}} keys and values" },
    ],
  },
  {
    title: "Audits",
    description: "The wealth bet against each certificate; 1 / (1 − confidence) switches it off.",
    unit: "short",
    queries: [
      { expr: "max by (certificate) (modicum:audit_wealth)", legend: "{{certificate}}" },
      { expr: "max by (certificate) (modicum:recipe_off)", legend: "{{certificate}} off" },
    ],
  },
];

const datasource = { type: "prometheus", uid: "$datasource" };

/** Two panels per row; `at` counts from 0. */
const panelOf = ({ queries, unit, title, description }: Panel, at: number) => ({
  ...{ id: at + 1, type: "timeseries", title, description, datasource },
  gridPos: { x: 12 * (at % 2), y: 8 * Math.floor(at / 2), w: 12, h: 8 },
  fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
  targets: queries.map(({ expr, legend }, index) => ({ refId: "ABCD"[index], expr, legendFormat: legend, datasource })),
});

export const dashboard = () => ({
  ...{ title: "Modicum", uid: "modicum", tags: ["modicum"], schemaVersion: 39, editable: true, refresh: "10s" },
  time: { from: "now-30m", to: "now" },
  templating: {
    list: [
      { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus" },
      {
        ...{ name: "model", label: "Model", type: "query", datasource, refresh: 2, multi: true, includeAll: true },
        ...{ allValue: ".*", query: "label_values(vllm:num_requests_running, model_name)" },
        current: { text: "All", value: "$__all" },
      },
    ],
  },
  panels: panels.map(panelOf),
});

if (process.argv[1] === import.meta.filename) await writeJson(join(root, DASHBOARD), dashboard());
