/** A run as it came: its settings and end, and the tokens of each branch in columns. */
import type {
  Alternative,
  Branch,
  Causes,
  Edit,
  OutcomeFrame,
  PromptToken,
  StartedFrame,
  TokenDetails,
  TokenFrame,
} from "../wire/types";
import { grown } from "./arrays";
import type { Feature, FeatureTable } from "./feature";

/** Where a generation stands. `requested`: sent, nothing heard yet. */
export type Phase =
  "idle" | "requested" | "queued" | "generating" | "finished" | "stopped" | "failed";

export function isRunning(phase: Phase): boolean {
  return phase === "requested" || phase === "queued" || phase === "generating";
}

export type RunSettings = Omit<StartedFrame, "type" | "seq">;

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
  /** What the hall has decided, each with the number of tokens that there were. */
  readonly decided: { at: number; outcome: OutcomeFrame }[] = [];
  /** By the index that token frames carry. */
  private readonly branches: Log[] = [];

  /** `settings` is null for a recording that begins in the middle of a run. */
  constructor(
    readonly settings: RunSettings | null,
    private readonly table: FeatureTable,
  ) {}

  /** How many texts it writes side by side. */
  get width(): number {
    return Math.max(1, this.settings?.branches.length ?? 1);
  }

  /** The branch that edits are for: the first that began with some, else the last. */
  get editable(): number {
    const begun = this.settings?.branches.findIndex(({ edits }) => edits.length > 0) ?? -1;
    return begun < 0 ? this.width - 1 : begun;
  }

  /** Whether several of its texts have edits, each other ones: nobody changes them while it goes on. */
  get series(): boolean {
    const edited = this.settings?.branches.filter(({ edits }) => edits.length > 0) ?? [];
    return edited.length > 1;
  }

  /** A vote of the hall has ended. A guess belongs to the token that was guessed. */
  decide(outcome: OutcomeFrame): void {
    const { tokens } = this.branch(outcome.question.branch ?? 0);
    const guessed = tokens.findIndex(({ position }) => position === outcome.question.position);
    this.decided.push({ at: guessed < 0 ? tokens.length : guessed + 1, outcome });
  }

  branch(index: number): Log {
    const plan = this.settings?.branches[index] ?? null;
    return (this.branches[index] ??= new Log(this.table.all, plan));
  }
}

export interface Active {
  feature: Feature;
  activation: number;
}

/** A feature that edits changed at a token: `before` is what it was, `activation` what it became. */
export interface EditedFeature extends Active {
  before: number;
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

  /** Whose words it is of; null for tokens of the chat template, and where there is no conversation. */
  get speaker(): string | null {
    const { role, template } = this.details;
    if (template) return null;
    return role ?? (this.generated && this.log.answers ? ANSWERING : null);
  }

  /** Who begins to speak with it; null where nobody does. */
  get turn(): string | null {
    const { speaker } = this;
    return speaker === this.log.tokens[this.index - 1]?.speaker ? null : speaker;
  }

  /** By source in the run's order, strongest first within a source. */
  get active(): Active[] {
    return this.log.between(this.start, this.end);
  }

  /** The features that edits changed here; those left at 0 or less are not active. */
  get edited(): readonly EditedFeature[] {
    return this.log.editedAt(this.index);
  }

  /** The likeliest tokens where this one is, the likeliest first; none if they were not told. */
  get alternatives(): readonly Alternative[] {
    return this.log.tokens[this.index - 1]?.details.alternatives ?? [];
  }

  /** Calls for each active feature, by number: a list of `active` is made anew each time. */
  eachActive(call: (feature: Feature, activation: number) => void): void {
    this.log.each(this.start, this.end, call);
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
  /** How this branch ended before the others; null while it goes on, or ends with its run. */
  ended: Omit<Outcome, "seconds"> | null = null;
  private numbers = new Uint32Array(1024);
  private activations = new Float32Array(1024);
  private size = 0;
  private readonly firings = new Map<number, Firings & { read: number }>();
  /** The edits in force, and the position from which each list of them is. */
  private readonly edits: { from: number; edits: readonly Edit[] }[];
  /** By token index. */
  private readonly changed = new Map<number, EditedFeature[]>();
  /** By position. */
  private readonly causes = new Map<number, Causes | null>();

  /**
   * `features` are those that the numbers in the columns mean; `plan` is the branch as the run began
   * with it, null in recordings that have no branches.
   */
  constructor(
    private readonly features: readonly Feature[],
    readonly plan: Branch | null = null,
  ) {
    this.edits = [{ from: 0, edits: plan?.edits ?? [] }];
  }

  /** Whether its prompt is a conversation, which the model answers. */
  get answers(): boolean {
    const { role, template } = this.tokens[this.given - 1]?.details ?? NO_DETAILS;
    return template === true || role !== undefined;
  }

  /** Takes in what speaks for the token at a position; null: it could not be measured. */
  explain(position: number, causes: Causes | null): void {
    this.causes.set(position, causes);
  }

  /** What speaks for the token at a position; undefined if nobody asked, null if it was missed. */
  causesAt(position: number): Causes | null | undefined {
    return this.causes.get(position);
  }

  /** From a position on, these edits are in force and no others. */
  edit(from: number, edits: readonly Edit[]): void {
    this.edits.push({ from, edits });
  }

  /** The lists of edits that were in force before a position, and from where on each was. */
  periods(position: number): { from: number; edits: readonly Edit[] }[] {
    const begun = this.edits.filter(({ from }, i) => i === 0 || from < position);
    // Of those that begin at one position, the last is in force.
    return begun.filter(({ from }, i) => begun[i + 1]?.from !== from);
  }

  /** The edits in force at a position. */
  editsAt(position: number): readonly Edit[] {
    return this.edits.findLast(({ from }) => from <= position)?.edits ?? [];
  }

  /** The features that edits changed at a token. */
  editedAt(index: number): readonly EditedFeature[] {
    return this.changed.get(index) ?? NONE;
  }

  /** Appends a token that names these features; `generated` is null for a token of the prompt. */
  append(
    wire: PromptToken | TokenFrame,
    generated: TokenFrame | null,
    features: readonly Feature[],
    time: number | null,
  ): void {
    const start = this.size;
    this.numbers = grown(this.numbers, start + features.length);
    this.activations = grown(this.activations, start + features.length);
    const changed: EditedFeature[] = [];
    features.forEach((feature, i) => {
      const { activation = 0, edited, before = 0 } = wire.features[i] ?? {};
      if (edited) changed.push({ feature, activation, before });
      // A silenced feature is listed, but does not fire.
      if (activation <= 0) return;
      this.numbers[this.size] = feature.index;
      this.activations[this.size] = activation;
      this.size += 1;
    });
    const { tokens } = this;
    if (changed.length > 0) this.changed.set(tokens.length, changed);
    const logprob = wire.logprob ?? null;
    const made = generated !== null;
    const { token: text, position } = wire;
    tokens.push(new Token(this, tokens.length, position, text, made, logprob, detailsOf(wire), time, start, this.size)); // prettier-ignore
    if (!made) this.given = tokens.length;
  }

  between(start: number, end: number): Active[] {
    const active: Active[] = [];
    this.each(start, end, (feature, activation) => active.push({ feature, activation }));
    return active;
  }

  each(start: number, end: number, call: (feature: Feature, activation: number) => void): void {
    for (let i = start; i < end; i += 1) {
      const feature = this.features[this.numbers[i] ?? -1];
      if (feature) call(feature, this.activations[i] ?? 0);
    }
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
    // Not beyond: the column has room for as many again.
    const end = this.tokens[Math.min(count, this.tokens.length) - 1]?.end ?? 0;
    const column = this.numbers.subarray(0, end);
    const next = (from: number): number => column.indexOf(index, from);
    for (let i = next(token?.start ?? column.length); i >= 0; i = next(i + 1)) {
      while (token && token.end <= i) token = this.tokens[token.index + 1];
      found.at.push(token?.index ?? 0);
      found.activation.push(this.activations[i] ?? 0);
    }
    found.read = Math.min(count, this.tokens.length);
    return found;
  }
}

const NONE: readonly EditedFeature[] = [];
/** The role of what the model writes. */
const ANSWERING = "assistant";
const NO_DETAILS: TokenDetails = {};

/** What a token's frame tells beside its features; those that tell nothing share one object. */
function detailsOf(wire: TokenDetails): TokenDetails {
  const { token_id, l0, reconstruction_error, alternatives, role, template } = wire;
  const all = Object.entries({ token_id, l0, reconstruction_error, alternatives, role, template });
  const told = all.filter(([, value]) => value !== undefined);
  return told.length === 0 ? NO_DETAILS : Object.fromEntries(told);
}
