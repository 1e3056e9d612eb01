/**
 * A room's stream folded into state. No clock, no network, no document: the same frames always
 * give the same session, live or from a recording.
 */
import type {
  ErrorFrame,
  FinishedFrame,
  Frame,
  PromptToken,
  RoomFrame,
  TokenDetails,
  TokenFrame,
  WireFeature,
} from "../wire/types";
import { Company } from "./company";
import { CoActivation } from "./evidence";
import { FLOOR, fullScale, recency, strength } from "./fade";
import {
  type Active,
  type Feature,
  featureKey,
  type FeatureKey,
  isRunning,
  type Outcome,
  type Phase,
  type Problem,
  type Run,
  type Token,
  unseenFeature,
} from "./state";

/** Errors after which a running generation is over; others only answer a message. */
const FATAL = new Set([
  "backend_lost",
  "deadline",
  "gateway_lost",
  "generation_failed",
  "gateway_stopping",
  "internal",
  "not_ready",
  "queue_full",
]);
/** Strongest features of a source whose pairs are counted at a token: of one source, of several. */
const PAIRED_ALONE = 8;
const PAIRED_OF_MANY = 4;
/** How fast a source's usual level follows its tokens. */
const LEVEL_GAIN = 0.1;

export class Session {
  phase: Phase = "idle";
  /** The newest room frame. */
  room: RoomFrame | null = null;
  run: Run | null = null;
  /** Counts the runs, so that a view can tell that the text began anew. */
  runs = 0;
  queuePosition = 0;
  outcome: Outcome | null = null;
  problem: Problem | null = null;
  /** Newest frame of the room's log that was applied; a reconnect asks for the one after it. */
  lastSeq = 0;
  readonly tokens: Token[] = [];
  /** Tokens of this run that have features; its start has none. */
  told = 0;
  /** In order of first appearance: `features[i].index === i`. */
  readonly features: Feature[] = [];
  readonly links = new CoActivation();
  private company: Company | null = null;
  private readonly byKey = new Map<FeatureKey, Feature>();
  /** Usual strongest activation of a source, the scale for features seldom seen. */
  private readonly levels = new Map<string, number>();

  /** Folds one frame in. Returns false for a log frame that was applied before. */
  apply(frame: Frame): boolean {
    if (frame.type === "room") {
      this.enter(frame);
      // The place in the room's log from which it is sent. It may be less than what came before:
      // a log of another epoch is read from its start.
      this.lastSeq = Math.min(this.lastSeq, frame.seq);
      return true;
    }
    if (frame.type === "error") {
      // An error of the log has the next number; one for this page alone repeats the last number.
      if (frame.seq === this.lastSeq + 1) this.lastSeq = frame.seq;
      this.fail(frame);
      return true;
    }
    if (frame.type === "view") return true;
    if (frame.seq <= this.lastSeq) return false;
    this.lastSeq = frame.seq;
    // A frame of the log: the room goes on.
    if (this.problem?.code === "rooms_unavailable") this.problem = null;
    this.applyLogged(frame);
    return true;
  }

  /** The user asked for a generation; nothing has come back yet. */
  requested(): void {
    this.phase = "requested";
    this.problem = null;
  }

  /** The connection broke. An unanswered request counts as lost, until frames of it come. */
  interrupted(): void {
    if (this.phase !== "requested") return;
    this.fail({ error: "connection_lost", message: "The connection broke.", field: null });
  }

  /** The room is gone. What was seen in it stays; the next room counts from the start. */
  leave(): void {
    if (isRunning(this.phase)) {
      this.fail({ error: "backend_lost", message: "The room is gone.", field: null });
    }
    this.room = null;
    this.lastSeq = 0;
  }

  feature(key: FeatureKey): Feature | undefined {
    return this.byKey.get(key);
  }

  /** An activation as a share of the feature's full strength, 0 to 1. */
  strengthOf(feature: Feature, activation: number): number {
    return strength(activation, fullScale(feature, this.levels.get(feature.source) ?? 0));
  }

  /** A feature's light at the newest token, FLOOR to 1. */
  glowOf(feature: Feature): number {
    if (feature.glowAt < 0) return FLOOR;
    return Math.max(FLOOR, feature.glow * recency(this.tokens.length - 1 - feature.glowAt));
  }

  /** The features that fired together with this one in the current run, and how often. */
  companyOf(feature: Feature): Company {
    if (this.company?.feature !== feature || this.company.run !== this.runs) {
      this.company = new Company(feature, this.runs);
    }
    this.company.follow(this.tokens);
    return this.company;
  }

  /** A later room frame of the same room comes without the token: keep the first one's. */
  private enter(frame: RoomFrame): void {
    const known = this.room?.room === frame.room ? this.room.presenter_token : undefined;
    const token = frame.presenter_token ?? known;
    this.room = token === undefined ? frame : { ...frame, presenter_token: token };
  }

  private applyLogged(frame: Exclude<Frame, { type: "room" | "error" | "view" }>): void {
    switch (frame.type) {
      case "queued":
        this.phase = "queued";
        this.queuePosition = frame.position;
        break;
      case "started":
        this.begin({
          model: frame.model,
          sources: frame.sources,
          params: frame.params,
          prompt: frame.prompt,
        });
        break;
      case "prompt":
        for (const token of frame.tokens) this.append(token, null);
        break;
      case "token":
        this.append(frame, frame);
        break;
      case "labels":
        for (const [id, label] of Object.entries(frame.labels)) {
          const feature = this.byKey.get(featureKey(frame.source, Number(id)));
          if (feature) feature.label = label;
        }
        for (const [id, max] of Object.entries(frame.max ?? {})) {
          const feature = this.byKey.get(featureKey(frame.source, Number(id)));
          if (feature) feature.knownMax = max;
        }
        break;
      case "finished":
        this.finish(frame);
        break;
    }
  }

  private begin(run: Run): void {
    this.run = run;
    this.runs += 1;
    this.phase = "generating";
    this.outcome = null;
    this.problem = null;
    this.tokens.length = 0;
    this.told = 0;
    for (const feature of this.features) {
      feature.glow = 0;
      feature.glowAt = -1;
      feature.firings = { at: [], activation: [] };
    }
  }

  /** Appends a token; `generated` is its frame, or null for a token of the prompt. */
  private append(wire: PromptToken | TokenFrame, generated: TokenFrame | null): void {
    const index = this.tokens.length;
    this.follow(wire.features);
    const active = wire.features.map((feature) => this.fire(feature, index));
    this.tokens.push({
      index,
      position: wire.position,
      text: wire.token,
      generated: generated !== null,
      logprob: generated?.logprob ?? null,
      details: detailsOf(wire),
      active,
    });
    if (active.length === 0) return;
    this.told += 1;
    this.links.observe(this.paired(active));
  }

  /** Lets each source's level follow its strongest activation at this token. */
  private follow(features: WireFeature[]): void {
    const strongest = new Map<string, number>();
    for (const { source, activation } of features) {
      strongest.set(source, Math.max(strongest.get(source) ?? 0, activation));
    }
    for (const [source, activation] of strongest) {
      const level = this.levels.get(source) ?? activation;
      this.levels.set(source, level + LEVEL_GAIN * (activation - level));
    }
  }

  private fire(wire: WireFeature, at: number): Active {
    const feature = this.feature(featureKey(wire.source, wire.id)) ?? this.meet(wire);
    feature.label = wire.label ?? feature.label;
    feature.knownMax = wire.max ?? feature.knownMax;
    feature.peak = Math.max(feature.peak, wire.activation);
    feature.fired += 1;
    const left = feature.glowAt < 0 ? 0 : feature.glow * recency(at - feature.glowAt);
    feature.glow = Math.max(left, this.strengthOf(feature, wire.activation));
    feature.glowAt = at;
    feature.firings.at.push(at);
    feature.firings.activation.push(wire.activation);
    return { feature, activation: wire.activation };
  }

  private meet(wire: WireFeature): Feature {
    const feature = unseenFeature(wire.source, wire.id, wire.layer, this.features.length);
    this.features.push(feature);
    this.byKey.set(feature.key, feature);
    return feature;
  }

  /** The features whose pairs count at a token: each source's strongest. */
  private paired(active: Active[]): number[][] {
    const groups = new Map<string, number[]>();
    for (const { feature } of active) {
      const group = groups.get(feature.source);
      if (group) group.push(feature.index);
      else groups.set(feature.source, [feature.index]);
    }
    const most = groups.size > 1 ? PAIRED_OF_MANY : PAIRED_ALONE;
    return [...groups.values()].map((group) => group.slice(0, most));
  }

  private finish(frame: FinishedFrame): void {
    this.phase = frame.reason === "cancelled" ? "stopped" : "finished";
    const { prefill_ns, decode_ns } = frame.timings;
    this.outcome = {
      reason: frame.reason,
      generated: frame.generated_tokens ?? this.tokens.filter((t) => t.generated).length,
      seconds: decode_ns === undefined ? null : ((prefill_ns ?? 0) + decode_ns) / 1e9,
    };
  }

  private fail(frame: Omit<ErrorFrame, "type" | "seq">): void {
    const { error: code, message, field, retry_after: retryAfter = null } = frame;
    this.problem = { code, message, field, retryAfter };
    const ends = this.phase === "requested" || (isRunning(this.phase) && FATAL.has(frame.error));
    if (ends) this.phase = "failed";
  }
}

const NO_DETAILS: TokenDetails = {};

/** What a token's frame tells beside its features; those that tell nothing share one object. */
function detailsOf({ token_id, l0, reconstruction_error }: TokenDetails): TokenDetails {
  if (token_id === undefined && l0 === undefined) return NO_DETAILS;
  return {
    ...(token_id === undefined ? {} : { token_id }),
    ...(l0 === undefined ? {} : { l0 }),
    ...(reconstruction_error === undefined ? {} : { reconstruction_error }),
  };
}
