/** What the page knows of a room: the run, its tokens, and every feature that has fired. */
import type { TokenDetails } from "../wire/types";

export type FeatureKey = string;

export function featureKey(source: string, id: number): FeatureKey {
  return `${source}/${id}`;
}

/** One feature that has fired in this room. */
export interface Feature {
  readonly key: FeatureKey;
  readonly id: number;
  readonly source: string;
  readonly layer: number;
  /** Order of first appearance, from 0: its number in the graph and in pair counts; -1 if none. */
  readonly index: number;
  label: string | null;
  /** Largest activation seen in this room. */
  peak: number;
  /** Tokens at which it fired in this room. */
  fired: number;
  /** Maximum over the SAE's training text, and share of that text on which it fires. */
  knownMax: number | null;
  density: number | null;
  /** Light it had when it last fired, 0 to 1, and at which token of the current run (-1: none). */
  glow: number;
  glowAt: number;
  firings: Firings;
}

/** Where in the current run a feature fired, oldest first: both lists are of one length. */
export interface Firings {
  /** Token indices. */
  at: number[];
  /** Activations there. */
  activation: number[];
}

/** A feature that has not fired in this room: it has no number here. */
export function unseenFeature(
  source: string,
  id: number,
  layer: number,
  index = -1,
  label: string | null = null,
): Feature {
  return {
    key: featureKey(source, id),
    id,
    source,
    layer,
    index,
    label,
    peak: 0,
    fired: 0,
    knownMax: null,
    density: null,
    glow: 0,
    glowAt: -1,
    firings: { at: [], activation: [] },
  };
}

export interface Active {
  feature: Feature;
  activation: number;
}

export interface Token {
  /** Index in the run, from 0. */
  index: number;
  /** Position in the model's sequence. */
  position: number;
  text: string;
  generated: boolean;
  logprob: number | null;
  details: TokenDetails;
  /** By source in the run's order, strongest first within a source. */
  active: Active[];
}

/** Where a generation stands. `requested`: sent, nothing heard yet. */
export type Phase =
  "idle" | "requested" | "queued" | "generating" | "finished" | "stopped" | "failed";

export interface Run {
  model: string;
  sources: string[];
  params: Record<string, unknown>;
  prompt: string;
}

/** An error as shown: what happened, and the field at fault. */
export interface Problem {
  code: string;
  message: string;
  field: string | null;
  /** Seconds after which trying again makes sense, if the server says so. */
  retryAfter: number | null;
}

export interface Outcome {
  reason: string;
  generated: number;
  /** Seconds from the first forward pass to the last, null when the server does not say. */
  seconds: number | null;
}

export function isRunning(phase: Phase): boolean {
  return phase === "requested" || phase === "queued" || phase === "generating";
}
