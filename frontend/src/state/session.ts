/**
 * What is on show of a stream: one run, as far as its tokens have been shown, and what those tokens
 * and earlier runs say about each feature. No clock, no network, no document.
 */
import type { OutcomeFrame } from "../wire/types";
import { grown } from "./arrays";
import { CoActivation } from "./evidence";
import type { Feature, FeatureKey } from "./feature";
import { fullScale, strength } from "./light";
import type { Active, Firings, Log, Outcome, Phase, Problem, Run, RunSettings, Token } from "./log";
import { signal, touch } from "./signals";
import { Stream } from "./stream";

/** Strongest features of a source whose pairs are counted at a token: of one source, of several. */
const PAIRED_ALONE = 8;
const PAIRED_OF_MANY = 4;
/** How many tokens a feature without a label is named after. */
const NAMED_AFTER = 2;
/** How fast a source's usual level follows its tokens. */
const LEVEL_GAIN = 0.1;

export class Session {
  /** The tokens shown so far of this run, and how many of them have features. */
  readonly tokens: Token[] = [];
  told = 0;
  /** Counts the runs, so that a view can tell that the text began anew. */
  runs = 0;
  /** Those named so far, as firing or silenced: `features[i].index === i`. */
  readonly features: Feature[] = [];
  readonly links = new CoActivation();
  /** Goes up when more is on show. */
  readonly revision = signal(0);
  private shown: Run | null = null;
  /** The branch of it that is on show. */
  private chosen = 0;
  /** How many tokens of each branch count already: none counts twice. */
  private readonly counted = new WeakMap<Log, number>();
  /** Tokens of this run shown so far at which each feature fired. */
  private firedHere = new Uint32Array(512);
  /** Usual strongest activation of a source, the scale for features seldom seen. */
  private readonly levels = new Map<string, number>();

  constructor(readonly stream = new Stream()) {
    for (const feature of stream.table.all) {
      feature.peak = feature.fired = 0;
      feature.where = [];
    }
  }

  get run(): RunSettings | null {
    return this.shown?.settings ?? null;
  }

  /** The branch on show. */
  get branch(): number {
    return this.chosen;
  }

  /** How many branches the run on show has. */
  get width(): number {
    return this.shown?.width ?? 1;
  }

  /** The tokens of the branch on show that have come, shown or not. */
  get log(): Log | null {
    return this.branchLog(this.chosen);
  }

  /** The tokens of a branch of the run on show that have come. */
  branchLog(branch: number): Log | null {
    return this.shown?.branch(branch) ?? null;
  }

  /** The tokens of a branch that are on show: as many as of the chosen one, at its end all. */
  tokensOf(branch: number): readonly Token[] {
    if (branch === this.chosen) return this.tokens;
    const all = this.branchLog(branch)?.tokens ?? [];
    return this.ahead === 0 ? all : all.slice(0, this.tokens.length);
  }

  /** Index of the first token at which a branch and the first one differ; -1 while they do not. */
  partingOf(branch: number): number {
    const [first, other] = [this.tokensOf(0), this.tokensOf(branch)];
    return other.findIndex(({ text }, i) => i < first.length && first[i]?.text !== text);
  }

  shows(run: Run): boolean {
    return this.shown === run;
  }

  /** Tokens that have come and are not shown yet. */
  get ahead(): number {
    return (this.log?.tokens.length ?? 0) - this.tokens.length;
  }

  /** Where the run stands, as far as it is on show. */
  get phase(): Phase {
    if (this.ahead > 0) return "generating";
    return this.isNewest ? this.stream.phase : (this.shown?.phase ?? "idle");
  }

  get problem(): Problem | null {
    return this.isNewest ? this.stream.problem : null;
  }

  /** The last vote of the hall that had ended when there were so many tokens. */
  decidedAt(count: number): OutcomeFrame | null {
    return this.shown?.decided.findLast(({ at }) => at <= count)?.outcome ?? null;
  }

  get outcome(): Outcome | null {
    return this.shown?.outcome ?? null;
  }

  get queuePosition(): number {
    return this.stream.queuePosition;
  }

  /** Tokens shown that were generated. */
  get made(): number {
    return Math.max(0, this.tokens.length - (this.log?.given ?? 0));
  }

  feature(key: FeatureKey): Feature | undefined {
    const feature = this.stream.table.get(key);
    return feature && feature.index < this.features.length ? feature : undefined;
  }

  /**
   * Shows another run, from its beginning; what was left of the one before counts as shown. Where
   * there are several branches, the edited one is on show.
   */
  begin(run: Run): void {
    this.reveal(Infinity);
    this.shown = run;
    this.chosen = run.width > 1 ? run.editable : 0;
    this.clear();
  }

  /** Shows another branch of this run, from its beginning. */
  choose(branch: number): void {
    const before = this.log;
    this.chosen = branch;
    const { log } = this;
    // The prompt is the same: it counts once.
    if (log && before && !this.counted.has(log)) this.counted.set(log, before.given);
    this.clear();
  }

  private clear(): void {
    this.runs += 1;
    this.tokens.length = 0;
    this.told = 0;
    this.firedHere.fill(0);
    touch(this.revision);
  }

  /** Shows the first `count` tokens of the run, or as many as there are. */
  reveal(count: number): void {
    const all = this.log?.tokens ?? [];
    const before = this.tokens.length;
    for (const token of all.slice(before, Math.max(before, count))) this.show(token);
    if (this.tokens.length > before) touch(this.revision);
  }

  /** An activation as a share of the feature's full strength, 0 to 1. */
  strengthOf(feature: Feature, activation: number): number {
    return strength(activation, this.scaleOf(feature));
  }

  /** The activation that counts as a feature's full strength. */
  scaleOf(feature: Feature): number {
    return fullScale(feature, this.levels.get(feature.source) ?? 0);
  }

  /** At which of a branch's tokens on show a feature fired. */
  firingsOf(feature: Feature, branch = this.chosen): Firings {
    const count = this.tokensOf(branch).length;
    return this.branchLog(branch)?.firingsOf(feature, count) ?? { at: [], activation: [] };
  }

  /** At how many of the tokens shown a feature fired. */
  timesOf({ index }: Feature): number {
    return this.firedHere[index] ?? 0;
  }

  /** Whether a token of the branch on show is counted for the first time. */
  private counts({ index }: Token): boolean {
    const { log } = this;
    if (log === null || index < (this.counted.get(log) ?? 0)) return false;
    this.counted.set(log, index + 1);
    return true;
  }

  private get isNewest(): boolean {
    return this.shown === this.stream.newest;
  }

  private show(token: Token): void {
    const { active, edited } = token;
    this.tokens.push(token);
    for (const { feature } of [...active, ...edited]) this.admit(feature);
    for (const { feature } of active) this.firedHere[feature.index] = this.timesOf(feature) + 1;
    if (active.length === 0) return;
    this.told += 1;
    if (!this.counts(token)) return;
    // What edits make of a feature says nothing of its usual strength, or of what goes with it.
    const forced = new Set(edited.map(({ feature }) => feature));
    const own = forced.size === 0 ? active : active.filter(({ feature }) => !forced.has(feature));
    this.follow(own);
    for (const { feature, activation } of own) {
      if (activation > feature.peak) {
        feature.peak = activation;
        const others = feature.where.filter((text) => text !== token.text);
        feature.where = [token.text, ...others].slice(0, NAMED_AFTER);
      }
      feature.fired += 1;
    }
    this.links.observe(paired(own));
  }

  /** Lets each source's level follow its strongest activation at this token. */
  private follow(active: readonly Active[]): void {
    const strongest = new Map<string, number>();
    for (const { feature, activation } of active) {
      const { source } = feature;
      strongest.set(source, Math.max(strongest.get(source) ?? 0, activation));
    }
    for (const [source, activation] of strongest) {
      const level = this.levels.get(source) ?? activation;
      this.levels.set(source, level + LEVEL_GAIN * (activation - level));
    }
  }

  private admit({ index }: Feature): void {
    // Numbers are given in the order in which frames name features: those before it were named.
    while (this.features.length <= index) {
      const next = this.stream.table.all[this.features.length];
      if (!next) break;
      this.features.push(next);
    }
    this.firedHere = grown(this.firedHere, index + 1);
  }
}

/** The features whose pairs count at a token: each source's strongest. */
function paired(active: readonly Active[]): number[][] {
  const groups = new Map<string, number[]>();
  for (const { feature } of active) {
    const group = groups.get(feature.source);
    if (group) group.push(feature.index);
    else groups.set(feature.source, [feature.index]);
  }
  const most = groups.size > 1 ? PAIRED_OF_MANY : PAIRED_ALONE;
  return [...groups.values()].map((group) => group.slice(0, most));
}
