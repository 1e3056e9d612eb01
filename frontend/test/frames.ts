/** Short ways to write frames in tests. */
import type { Feature } from "../src/state/feature";
import { lightsAt } from "../src/state/light";
import type { Session } from "../src/state/session";
import { Store } from "../src/state/store";
import type { ModelInfo } from "../src/wire/model";
import type { Branch, Frame, WireFeature } from "../src/wire/types";

export const SOURCE = "axon-demo/2-res";

/** What a service says of its model, as far as a test does not say otherwise. */
export function modelInfo(more: Partial<ModelInfo> = {}): ModelInfo {
  return {
    model: "axon-demo",
    models: [],
    sources: [],
    params: {},
    maxPromptCharacters: null,
    maxAlternatives: 0,
    chat: false,
    paced: false,
    maxBranches: 1,
    maxRemovals: 0,
    map: null,
    ...more,
  };
}

export function feature(
  id: number,
  activation: number,
  more: Partial<WireFeature> = {},
): WireFeature {
  return { id, activation, layer: 2, source: SOURCE, ...more };
}

export function started(seq: number, sources = [SOURCE], branches: Branch[] = []): Frame {
  return {
    type: "started",
    seq,
    model: "axon-demo",
    sources,
    params: { max_tokens: 8 },
    prompt: "The capital",
    prompt_tokens: 2,
    branches,
    pace: 0,
    alternatives: null,
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

/** A page whose room has streamed these frames. */
export function streamed(...frames: Frame[]): Store {
  const store = new Store();
  for (const frame of frames) store.apply(frame);
  return store;
}

/** A page that plays a recording of these frames, and shows all of it. */
export function replayed(...frames: Frame[]): Store {
  const store = new Store();
  const recorded = frames.map((frame) => ({ frame, time: null }));
  store.playhead.open(recorded, { speed: Infinity, at: null, run: null });
  return store;
}

/** A feature's light at the newest token. */
export function glowOf(session: Session, feature: Feature): number {
  return lightsAt(session, session.tokens.length - 1).at(feature.index);
}
