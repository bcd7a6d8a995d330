import type { Shape } from "./dim.ts";
import type { DType } from "./tensor.ts";

/** An attribute's value; the key selects the ONNX type, since ONNX distinguishes 1 from 1.0. */
export type OnnxAttr =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] };

export interface OnnxNode {
  readonly domain: "" | "com.microsoft";
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: Readonly<Record<string, OnnxAttr>>;
}

/** A small constant that an operator's ONNX form needs, such as a reshape's target. */
export interface OnnxLiteral {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Collects the ONNX form of a graph, operator by operator. */
export class Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly literals = new Map<string, OnnxLiteral>();
  #next = 0;

  /** A fresh name for a value inside an operator's ONNX form. */
  temp(): string {
    return `t${this.#next++}`;
  }

  node(opType: string, inputs: readonly string[], outputs: readonly string[], attrs: OnnxNode["attrs"] = {}): void {
    this.nodes.push({ domain: "", opType, inputs, outputs, attrs });
  }

  /** An operator of ONNX Runtime's own domain. */
  contrib(opType: string, inputs: readonly string[], outputs: readonly string[], attrs: OnnxNode["attrs"] = {}): void {
    this.nodes.push({ domain: "com.microsoft", opType, inputs, outputs, attrs });
  }

  /** Like `node`, with a fresh name as its result. */
  value(opType: string, inputs: readonly string[], attrs: OnnxNode["attrs"] = {}): string {
    const name = this.temp();
    this.node(opType, inputs, [name], attrs);
    return name;
  }

  ints(values: readonly number[], shape: readonly number[] = [values.length]): string {
    const name = `ints_${shape.join("x")}_${values.join("_")}`.replaceAll("-", "m");
    this.literals.set(name, {
      name,
      dtype: "i64",
      shape,
      bytes: new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer),
    });
    return name;
  }

  /** A shape as a tensor. Symbolic sizes are read from `like` during the run. */
  shape(shape: Shape, like: string | undefined): string {
    const known = shape.every((d) => typeof d === "number");
    return known ? this.ints(shape) : this.value("Shape", [like!]);
  }

  /** A scalar u8. */
  byte(value: number): string {
    const name = `byte_${value}`;
    this.literals.set(name, { name, dtype: "u8", shape: [], bytes: Uint8Array.of(value) });
    return name;
  }

  floats(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.table(`floats_${shape.join("x")}_${values.join("_")}`, Float32Array.from(values), shape);
  }

  /** Like `floats`, for many values, which `name` identifies. */
  table(name: string, values: Float32Array<ArrayBuffer>, shape: readonly number[]): string {
    this.literals.set(name, { name, dtype: "f32", shape, bytes: new Uint8Array(values.buffer) });
    return name;
  }
}
