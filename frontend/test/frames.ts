/** Short ways to write frames in tests. */
import type { Frame, WireFeature } from "../src/wire/types";

export const SOURCE = "axon-demo/2-res";

export function feature(
  id: number,
  activation: number,
  more: Partial<WireFeature> = {},
): WireFeature {
  return { id, activation, layer: 2, source: SOURCE, ...more };
}

export function started(seq: number, sources = [SOURCE]): Frame {
  return {
    type: "started",
    seq,
    model: "axon-demo",
    sources,
    params: { max_tokens: 8 },
    prompt: "The capital",
    prompt_tokens: 2,
  };
}

export function token(seq: number, step: number, text: string, features: WireFeature[]): Frame {
  return { type: "token", seq, token: text, step, position: step + 2, logprob: -0.1, features };
}

export function finished(seq: number, reason = "length"): Frame {
  return {
    type: "finished",
    seq,
    status: reason === "cancelled" ? "stopped" : "done",
    reason,
    prompt_tokens: 2,
    generated_tokens: 1,
    timings: { prefill_ns: 5e8, decode_ns: 1.5e9 },
  };
}

export function error(code: string, field: string | null = null, seq = 0): Frame {
  return { type: "error", seq, error: code, message: `${code} happened`, field };
}
