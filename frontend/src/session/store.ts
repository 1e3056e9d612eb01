/** All state of the page: a session, what is chosen, the connection, the model. Views subscribe. */
import type { Frame, RoomFrame } from "../wire/types";
import type { FeatureFacts, ModelInfo, SourceInfo } from "../wire/model";
import { type Filter, type Judge, judgeOf } from "./filters";
import { Session } from "./session";
import { type Feature, type FeatureKey, isRunning, type Token, unseenFeature } from "./state";

/** Where the frames come from. */
export type Origin = "none" | "recording" | "live";

export type Connection =
  | { state: "off" }
  | { state: "connecting" }
  | { state: "open" }
  | { state: "waiting"; seconds: number; reason: string }
  | { state: "gone"; message: string; code?: string };

/**
 * `off`: the address names a recording, and no server is asked for anything. `insteadOf`: the model
 * that was asked for and is not there.
 */
export type Backend =
  | { state: "off" }
  | { state: "loading"; message: string; locked?: true }
  | { state: "ready"; model: ModelInfo; insteadOf?: string }
  | { state: "unreachable"; message: string };

/** Whether and how fast the text plays, and what of a recording is still to come. */
export interface Playback {
  readonly playing: boolean;
  /** 1 is the recording's own speed, or reading speed; Infinity shows all at once. */
  readonly speed: number;
  /** Tokens of this generation that the recording holds and the session does not have yet. */
  readonly ahead: number;
  /** The generation on show, from 0, and how many the recording has; 0 for a live room. */
  readonly run: number;
  readonly runs: number;
}

type Listener = () => void;

export class Store {
  /** What this page's room has streamed, on show or not. */
  readonly live = new Session();
  /** What is on show: the room's, or a recording's. */
  session = this.live;
  connection: Connection = { state: "off" };
  backend: Backend = { state: "loading", message: "looking for the model" };
  /** The last model that was ready: a failed query does not take it away. */
  model: ModelInfo | null = null;
  /** Sources neither shown nor asked for. */
  hidden: ReadonlySet<string> = new Set();
  /** Features that stay listed whatever is chosen. */
  pinned: ReadonlySet<FeatureKey> = new Set();
  playback: Playback = { playing: false, speed: 1, ahead: 0, run: 0, runs: 0 };
  /** What else decides whether a feature is on show; see `filters.ts`. */
  filters: readonly Filter[] = [];
  /** Links with less evidence than this are not drawn, 0 to 1. */
  linkFloor = 0;
  /** Goes up when `passes` may change for features it was asked about. */
  passVersion = 0;
  private judge: Judge = judgeOf([]);
  /** A feature that was looked up and has not fired here. */
  private guest: Feature | null = null;
  private chosenKey: FeatureKey | null = null;
  private hoveredKey: FeatureKey | null = null;
  private tokenIndex: number | null = null;
  private readonly listeners = new Set<Listener>();
  private scheduled = false;

  /** `schedule` delays the listeners' next call, so that many changes cost one redraw. */
  constructor(private readonly schedule: (run: () => void) => void) {}

  subscribe(listener: Listener): void {
    this.listeners.add(listener);
    this.changed();
  }

  /** Calls the listeners, once for all changes until then. */
  changed(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.schedule(() => {
      this.scheduled = false;
      const errors: unknown[] = [];
      for (const listener of this.listeners) {
        try {
          listener();
        } catch (error) {
          errors.push(error);
        }
      }
      // One that fails keeps none of the others from updating.
      if (errors.length > 0) throw errors[0];
    });
  }

  /** Folds a frame into what is on show, or into what the room has streamed if it is the room's. */
  apply(frame: Frame, session = this.session): boolean {
    const { runs } = session;
    const fresh = session.apply(frame);
    if (session === this.session) {
      if (session.runs !== runs) this.tokenIndex = null;
      if (frame.type === "labels" || this.filters.length > 0) this.passVersion += 1;
    }
    this.changed();
    return fresh;
  }

  /** The room as this page knows it; null before it has one. */
  get room(): RoomFrame | null {
    return this.live.room;
  }

  get origin(): Origin {
    if (this.session !== this.live) return "recording";
    return this.live.lastSeq > 0 || this.live.runs > 0 ? "live" : "none";
  }

  /** Shows what the room has streamed, or an empty session for a recording. */
  show(session: Session): void {
    this.session = session;
    this.passVersion += 1;
    this.chosenKey = null;
    this.hoveredKey = null;
    this.tokenIndex = null;
    this.changed();
  }

  set(
    change: Partial<Pick<Store, "connection" | "backend" | "hidden" | "linkFloor" | "playback">>,
  ): void {
    Object.assign(this, change);
    if (change.backend?.state === "ready") this.model = change.backend.model;
    if (change.hidden) this.passVersion += 1;
    this.changed();
  }

  get chosen(): Feature | null {
    if (this.chosenKey === null) return null;
    const guest = this.guest?.key === this.chosenKey ? this.guest : null;
    return this.session.feature(this.chosenKey) ?? guest;
  }

  /** The key that was chosen, even if that feature has not fired here. */
  get wanted(): FeatureKey | null {
    return this.chosenKey;
  }

  choose(key: FeatureKey | null): void {
    this.chosenKey = key;
    this.changed();
  }

  /** Chooses a feature that may not have fired here. */
  chooseUnseen(source: string, id: number, label: string | null): void {
    const { layer } = this.sourceInfo(source) ?? { layer: 0 };
    this.guest = unseenFeature(source, id, layer, -1, label);
    this.choose(this.guest.key);
  }

  /** The feature whose tokens are shaded: the hovered one, else the chosen one. */
  get attended(): Feature | null {
    const hovered = this.hovered === null ? undefined : this.session.feature(this.hovered);
    return hovered ?? this.chosen;
  }

  /** The feature under the pointer or the focus, in the graph or in a list. */
  get hovered(): FeatureKey | null {
    return this.hoveredKey;
  }

  hover(key: FeatureKey | null): void {
    if (key === this.hoveredKey) return;
    this.hoveredKey = key;
    this.changed();
  }

  /** Pins a feature, or unpins a pinned one. */
  pin(key: FeatureKey): void {
    const pinned = new Set(this.pinned);
    if (!pinned.delete(key)) pinned.add(key);
    this.pinned = pinned;
    this.changed();
  }

  /** The token looked at, null while following the newest. */
  get token(): Token | null {
    return this.tokenIndex === null ? null : (this.session.tokens[this.tokenIndex] ?? null);
  }

  /** Looks at a token, or follows the newest if null; playback stops. */
  lookAt(index: number | null): void {
    if (this.playback.playing) this.playback = { ...this.playback, playing: false };
    this.moveTo(index);
  }

  /** The same for playback itself, which goes on. */
  moveTo(index: number | null): void {
    this.tokenIndex = index;
    this.changed();
  }

  /** Number of tokens of this generation, with those of a recording that are still to come. */
  get length(): number {
    return this.session.tokens.length + this.playback.ahead;
  }

  /** The token on show: the one looked at, else the newest; -1 before there is one. */
  get at(): number {
    return this.token?.index ?? this.session.tokens.length - 1;
  }

  /** Whether the page follows the newest token of a running generation. */
  get followsLive(): boolean {
    return this.tokenIndex === null && this.generatesLive;
  }

  get generatesLive(): boolean {
    return this.origin === "live" && isRunning(this.session.phase);
  }

  /** All sources in the order that gives them hue and storey: the model's, else the run's. */
  sourceIds(): string[] {
    const run = this.session.run?.sources ?? [];
    if (this.origin === "recording" || this.model === null) return run;
    const served = this.model.sources.map(({ id }) => id);
    return [...served, ...run.filter((id) => !served.includes(id))];
  }

  /** What is known of a source, if it is one of the model's. */
  sourceInfo(source: string): SourceInfo | undefined {
    return this.model?.sources.find(({ id }) => id === source);
  }

  shows(source: string): boolean {
    return !this.hidden.has(source);
  }

  /** Whether a feature is on show; `passVersion` tells when to ask again. */
  passes(feature: Feature, judge = this.judge): boolean {
    if (!this.shows(feature.source)) return false;
    const { id, label, density } = feature;
    return judge({ id, label, share: this.session.strengthOf(feature, feature.peak), density });
  }

  filter(filters: readonly Filter[]): void {
    this.filters = filters;
    this.judge = judgeOf(filters);
    this.learned();
  }

  /** Takes in what the label store knows of a feature; what is known already stays. */
  learn(feature: Feature, { label, density, max_activation }: FeatureFacts): void {
    feature.label ??= label;
    feature.density ??= density;
    feature.knownMax ??= max_activation;
    this.learned();
  }

  /** Labels or statistics of features have come: `passes` is to be asked again. */
  learned(): void {
    this.passVersion += 1;
    this.changed();
  }

  /** The sources to ask for: undefined for all. */
  wantedSources(): string[] | undefined {
    const served = this.model?.sources.map(({ id }) => id) ?? [];
    const wanted = served.filter((id) => this.shows(id));
    return wanted.length === served.length ? undefined : wanted;
  }
}
