/** A run as it came: its settings and end, and the tokens of each branch in columns. */
import type { PromptToken, TokenDetails, TokenFrame } from "../wire/types";
import { grown } from "./arrays";
import type { Feature, FeatureTable } from "./feature";

/** Where a generation stands. `requested`: sent, nothing heard yet. */
export type Phase =
  "idle" | "requested" | "queued" | "generating" | "finished" | "stopped" | "failed";

export function isRunning(phase: Phase): boolean {
  return phase === "requested" || phase === "queued" || phase === "generating";
}

export interface RunSettings {
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

export class Run {
  phase: Phase = "generating";
  outcome: Outcome | null = null;
  /** By the index that token frames carry. */
  private readonly branches: Log[] = [];

  /** `settings` is null for a recording that begins in the middle of a run. */
  constructor(
    readonly settings: RunSettings | null,
    private readonly table: FeatureTable,
  ) {}

  branch(index: number): Log {
    return (this.branches[index] ??= new Log(this.table.all));
  }
}

export interface Active {
  feature: Feature;
  activation: number;
}

export class Token {
  constructor(
    private readonly log: Log,
    /** Index in its branch, from 0. */
    readonly index: number,
    /** Position in the model's sequence. */
    readonly position: number,
    readonly text: string,
    readonly generated: boolean,
    readonly logprob: number | null,
    readonly details: TokenDetails,
    /** When it was made, in seconds; null where nobody says. */
    readonly time: number | null,
    /** Its activations are from here up to `end` in the log's columns. */
    readonly start: number,
    readonly end: number,
  ) {}

  get silent(): boolean {
    return this.start === this.end;
  }

  /** By source in the run's order, strongest first within a source. */
  get active(): Active[] {
    return this.log.between(this.start, this.end);
  }

  /** How strongly a feature fires here, 0 if it does not. */
  activationOf({ index }: Feature): number {
    return this.log.activationAt(index, this.start, this.end);
  }
}

/** Where a feature fires in a branch, oldest first: both lists are of one length. */
export interface Firings {
  /** Token indices. */
  readonly at: number[];
  readonly activation: number[];
}

/** Features whose firings are remembered: those chosen, hovered and pinned of late. */
const REMEMBERED = 32;

/** The tokens of one branch. Their activations take 8 bytes each. */
export class Log {
  readonly tokens: Token[] = [];
  /** Tokens of the prompt. */
  given = 0;
  private numbers = new Uint32Array(1024);
  private activations = new Float32Array(1024);
  private size = 0;
  private readonly firings = new Map<number, Firings & { read: number }>();

  /** `features` are those that the numbers in the columns mean. */
  constructor(private readonly features: readonly Feature[]) {}

  /** Appends a token that fires these features; `generated` is null for a token of the prompt. */
  append(
    wire: PromptToken | TokenFrame,
    generated: TokenFrame | null,
    features: readonly Feature[],
    time: number | null,
  ): void {
    const start = this.size;
    this.numbers = grown(this.numbers, start + features.length);
    this.activations = grown(this.activations, start + features.length);
    features.forEach(({ index }, i) => {
      this.numbers[start + i] = index;
      this.activations[start + i] = wire.features[i]?.activation ?? 0;
    });
    this.size += features.length;
    const { tokens } = this;
    const logprob = generated?.logprob ?? null;
    const made = generated !== null;
    const { token: text, position } = wire;
    tokens.push(new Token(this, tokens.length, position, text, made, logprob, detailsOf(wire), time, start, this.size)); // prettier-ignore
    if (!made) this.given = tokens.length;
  }

  between(start: number, end: number): Active[] {
    const active: Active[] = [];
    for (let i = start; i < end; i += 1) {
      const feature = this.features[this.numbers[i] ?? -1];
      if (feature) active.push({ feature, activation: this.activations[i] ?? 0 });
    }
    return active;
  }

  activationAt(feature: number, start: number, end: number): number {
    const place = this.numbers.subarray(start, end).indexOf(feature);
    return place < 0 ? 0 : (this.activations[start + place] ?? 0);
  }

  /** Where a feature fires among the first `count` tokens; the list grows with later calls. */
  firingsOf({ index }: Feature, count: number): Firings {
    const known = this.firings.get(index);
    // A list that has gone on beyond `count` is of no use.
    const found = known && known.read <= count ? known : { at: [], activation: [], read: 0 };
    this.firings.delete(index);
    this.firings.set(index, found);
    if (this.firings.size > REMEMBERED) this.firings.delete([...this.firings.keys()][0] ?? -1);
    // In one go over the column: a token at a time would cost a view of it for each.
    let token = this.tokens[found.read];
    const end = this.tokens[Math.min(count, this.tokens.length) - 1]?.end ?? 0;
    for (let i = token?.start ?? end; i < end; i += 1) {
      if (this.numbers[i] !== index) continue;
      while (token && token.end <= i) token = this.tokens[token.index + 1];
      found.at.push(token?.index ?? 0);
      found.activation.push(this.activations[i] ?? 0);
    }
    found.read = Math.min(count, this.tokens.length);
    return found;
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
