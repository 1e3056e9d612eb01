/**
 * An answer as a graph that circuit-tracer's front end reads (schema version 1, circuit-tracer 0.5).
 * `axon.graph_export` writes the same; `tests/golden/graph.json` keeps both alike.
 */
import type { Path, PathEffect, Removal } from "../wire/causes";
import type { Alternative, Effect } from "../wire/types";
import type { Answer, Step } from "./why";

interface Node {
  node_id: string;
  feature: number;
  /** Index of the source, "E" for a token. */
  layer: string;
  ctx_idx: number;
  feature_type: "cross layer transcoder" | "embedding" | "logit";
  token_prob: number;
  is_target_logit: boolean;
  run_idx: 0;
  reverse_ctx_idx: 0;
  jsNodeId: string;
  clerp: string;
  influence: null;
  activation: number | null;
}

interface Link {
  source: string;
  target: string;
  weight: number;
}

export interface Graph {
  metadata: {
    slug: string;
    scan: string;
    transcoder_list: string[];
    prompt_tokens: string[];
    prompt: string;
    node_threshold: null;
    schema_version: 1;
    axon: object;
  };
  qParams: object;
  nodes: Node[];
  links: Link[];
}

/** What is written of an answer, by itself: the same values make the same graph anywhere. */
export interface Explained {
  model: string;
  sources: readonly string[];
  /** Those before the explained one. */
  tokens: readonly { token: string; token_id: number }[];
  target: Alternative;
  rival: Alternative | null;
  active: number;
  tried: number;
  effects: readonly Effect[];
  paths: readonly Path[];
}

/** The graph of an answer and of its paths that are unfolded. */
export function graphOf(answer: Answer, steps: readonly Step[], sources: readonly string[]): Graph {
  const { subject, explaining, rival, coverage, effects } = answer;
  const { token, log } = subject;
  const before = log.tokens.slice(0, token.index);
  return exported({
    model: explaining?.model ?? sources[0]?.split("/")[0] ?? "",
    sources,
    tokens: before.map(({ text, details }) => ({ token: text, token_id: details.token_id ?? 0 })),
    target: explaining?.target ?? {
      token: token.text,
      token_id: token.details.token_id ?? 0,
      logprob: token.logprob ?? 0,
    },
    rival,
    active: coverage?.active ?? 0,
    tried: coverage?.tried ?? 0,
    effects,
    paths: steps.flatMap((step) =>
      typeof step === "object" && "path" in step && step.path ? [step.path] : [],
    ),
  });
}

export function exported(told: Explained): Graph {
  const { model, sources, tokens, target, rival, effects, paths } = told;
  const last = tokens.length - 1;
  const nodes = new Map<string, Node>();
  const links: Link[] = [];
  const node = (
    one: Omit<Node, "run_idx" | "reverse_ctx_idx" | "influence" | "jsNodeId">,
  ): string => {
    nodes.set(one.node_id, {
      ...one,
      jsNodeId: one.node_id,
      run_idx: 0,
      reverse_ctx_idx: 0,
      influence: null,
    });
    return one.node_id;
  };
  const ofFeature = (
    at: Removal & { label?: string },
    activation: number | null,
  ): string | null => {
    const layer = sources.indexOf(at.source);
    if (at.position === null || layer < 0) return null;
    const id = `${layer}_${at.feature}_${at.position}`;
    if (nodes.has(id)) return id;
    return node({
      node_id: id,
      feature: paired(layer, at.feature),
      layer: String(layer),
      ctx_idx: at.position,
      feature_type: "cross layer transcoder",
      token_prob: 0,
      is_target_logit: false,
      clerp: at.label ?? `${at.source}/${at.feature}`,
      activation,
    });
  };
  const ofToken = ({ token, token_id: id, logprob }: Alternative, explained: boolean): string => {
    const share = Math.exp(logprob);
    return node({
      node_id: `${sources.length + 1}_${id}_${last}`,
      feature: id,
      layer: String(sources.length + 1),
      ctx_idx: last,
      feature_type: "logit",
      token_prob: share,
      is_target_logit: explained,
      clerp: `Output "${shown(token)}" (p=${share.toFixed(3)})`,
      activation: null,
    });
  };
  tokens.forEach(({ token_id: id }, position) => {
    node({
      node_id: `E_${id}_${position}`,
      feature: position,
      layer: "E",
      ctx_idx: position,
      feature_type: "embedding",
      token_prob: 0,
      is_target_logit: false,
      clerp: "",
      activation: null,
    });
  });
  const word = ofToken(target, true);
  if (rival) ofToken(rival, false);
  for (const effect of effects) {
    const from = ofFeature(effect, effect.activation);
    if (from !== null) links.push({ source: from, target: word, weight: -effect.logit });
  }
  const pinned = new Set([word]);
  for (const path of paths) {
    const from = ofFeature(path.removal, null);
    for (const change of lost(path)) {
      const to = ofFeature({ ...change, source: path.source }, change.before);
      if (from === null || to === null) continue;
      links.push({ source: from, target: to, weight: change.before - change.after });
      pinned.add(from).add(to);
    }
  }
  return {
    metadata: {
      slug: slugOf(model, tokens.map(({ token }) => token).join("") + target.token),
      scan: `custom-${model}`,
      transcoder_list: [...sources],
      prompt_tokens: tokens.map(({ token }) => shown(token)),
      prompt: tokens.map(({ token }) => token).join(""),
      node_threshold: null,
      schema_version: 1,
      axon: {
        method: "removal",
        active: told.active,
        tried: told.tried,
        weight_to_logit:
          "fall of the target's logit less the rival's when the source is silenced, measured",
        weight_to_feature: "fall of the target's activation when the source is silenced, measured",
      },
    },
    qParams: {
      linkType: "both",
      pinnedIds: [...pinned],
      clickedId: word,
      supernodes: [],
      sg_pos: "",
    },
    nodes: [...nodes.values()],
    links,
  };
}

function lost({ effects }: Path): PathEffect[] {
  return effects.filter(({ before, after }) => after < before);
}

/** One number for a layer and a feature: Cantor's pairing, as schema version 1 has it. */
function paired(layer: number, feature: number): number {
  return ((layer + feature) * (layer + feature + 1)) / 2 + feature;
}

/** Line ends and tabs as signs. */
function shown(token: string): string {
  return token.replaceAll("\n", "⏎").replaceAll("\t", "→").replaceAll("\r", "↵");
}

function slugOf(model: string, text: string): string {
  // Without the names of special tokens.
  const words =
    text
      .toLowerCase()
      .replace(/<[^<>]*>/gu, "")
      .match(/[a-z0-9]+/gu) ?? [];
  return [model, ...words.slice(-8)].join("-");
}
