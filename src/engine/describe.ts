import { statSync } from "node:fs";
import { evalCost, type Graph, graphCost } from "../graph/index.ts";
import type { DecoderConfig } from "../models/decoder.ts";
import { hasWindow, pasts } from "../models/near.ts";
import { prepare } from "../models/programs.ts";
import { openDecoder } from "../models/registry.ts";
import { traceHead, traceLayers } from "../models/segments.ts";
import { savings } from "../savings/registry.ts";
import type { Seam } from "../savings/seams.ts";
import { type Checkpoint, openCheckpoint } from "../weights/checkpoint.ts";
import type { Holding, Quant } from "../weights/prepared/weights.ts";
import { preparedFolder, type ResolvedModel } from "../weights/sources/index.ts";
import { firstKept } from "./slot.ts";

/** Where in a decoder the engine lets a saving act. */
const openSeams: readonly Seam[] = ["attention"];

/** What a model is made of and what it costs, without compiling it. */
export interface ModelDescription {
  name: string;
  path: string;
  source: string;
  architecture: string;
  config: Pick<DecoderConfig, "layers" | "hidden" | "heads" | "kvHeads" | "headSize" | "vocabulary" | "context">;
  parameters: number;
  /** `disk`: the file; `memory`: the weights as the runtime maps them; `cache`: keys and values of one sequence at full context. */
  bytes: { disk: number; memory: number; cache: number };
  /** In which form the tensors of each storage type run, what that takes in memory, and whether it has the file's very weights. */
  tensors: Holding[];
  /** FLOPs of one dense decode step, after no token and as the last of the context; a multiply-add is 2. */
  flopsPerToken: { empty: number; full: number };
  seams: readonly Seam[];
  /** Savings whose seams the model has. */
  savings: string[];
}

/** Describes a model's file. Weights that were not prepared yet are prepared. @throws UserError when it is no model that runs here. */
export function describeModel(model: ResolvedModel, quant: Quant = "auto"): ModelDescription {
  const checkpoint = openCheckpoint(model.path);
  const { decoder, weights } = openDecoder(checkpoint, preparedFolder(model.path), quant);
  const { layers, hidden, heads, kvHeads, headSize, vocabulary, context } = decoder.config;
  const trace = () => [traceLayers(decoder, 0, layers), traceHead(decoder)];
  const graphs = prepare(weights, trace);
  return {
    ...{ name: model.name, path: model.path, source: model.source },
    architecture: checkpoint.architecture,
    config: { layers, hidden, heads, kvHeads, headSize, vocabulary, context },
    parameters: [...checkpoint.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    bytes: { disk: diskBytes(checkpoint), memory: constantBytes(graphs), cache: cacheBytes(decoder.config) },
    tensors: weights.holdings(trace),
    flopsPerToken: {
      empty: stepFlops(graphs, decoder.config, 0),
      full: stepFlops(graphs, decoder.config, context - 1),
    },
    seams: openSeams,
    savings: savings.filter((s) => s.needs.every((need) => openSeams.includes(need))).map((s) => s.name),
  };
}

/** Each constant once, as graphs share them, and one that is a mapped file's bytes in two shapes once, too. */
function constantBytes(graphs: readonly Graph[]): number {
  const constants = graphs.flatMap((g) => g.constants);
  const data = new Map(constants.map(({ name, data: d }) => [d.kind === "file" ? `${d.path}:${d.offset}` : name, d]));
  return [...data.values()].reduce((sum, d) => sum + (d.kind === "file" ? d.bytes : d.bytes.byteLength), 0);
}

function cacheBytes(config: DecoderConfig): number {
  const { layers, kvHeads, headSize, context } = config;
  const kept = { near: context - firstKept(config, context), all: context };
  const tokens = Array.from({ length: layers }, (_, l) => (hasWindow(config, l) ? kept.near : kept.all));
  return 2 * kvHeads * headSize * Float32Array.BYTES_PER_ELEMENT * tokens.reduce((a, b) => a + b, 0);
}

/** Of every file that the model is made of. */
const diskBytes = ({ files }: Checkpoint): number => files.reduce((sum, file) => sum + statSync(file).size, 0);

function stepFlops(graphs: readonly Graph[], config: DecoderConfig, past: number): number {
  const sizes = { batch: 1, tokens: 1, ...pasts(config, past) };
  return graphs.reduce((sum, g) => sum + evalCost(graphCost(g), sizes).flops, 0);
}
