/**
 * The page's state: its room, the session on show and the playhead in it, what is chosen, the
 * connection, the model. All of it are signals: views follow what they read, see `signals.ts`.
 */
import type { FeatureFacts, ModelInfo, SourceInfo } from "../wire/model";
import type { Edit, Frame, RoomFrame } from "../wire/types";
import { type Feature, featureKey, type FeatureKey, unseenFeature } from "./feature";
import { EVERYTHING, type Filter, type Judge, judgeOf } from "./filters";
import type { Token } from "./log";
import type { FeatureMap, Mapping } from "./map";
import { ownLabels, shownLabel } from "./own-labels";
import { browserWait, Playhead, type Wait } from "./playhead";
import { type Ranked, strongest } from "./query";
import { Reach } from "./reach";
import { RoomState } from "./room";
import { Session } from "./session";
import { type Pose, type View, WHOLE } from "./view";
import { batch, computed, heed, signal, steady, touch } from "./signals";
import { SAY } from "../words";

/** Where the frames come from. */
export type Origin = "none" | "recording" | "live";

export type Connection =
  | { state: "off" }
  | { state: "connecting" }
  | { state: "open" }
  | { state: "waiting"; seconds: number; reason: string }
  | { state: "gone"; message: string; code?: string };

/**
 * `off`: the address names a recording, and no server is asked for anything. `locked`: the server
 * wants an access token first. `insteadOf`: the model that was asked for and is not there.
 */
export type Backend =
  | { state: "off" }
  | { state: "loading"; message: string; locked?: true }
  | { state: "ready"; model: ModelInfo; insteadOf?: string }
  | { state: "unreachable"; message: string };

export class Store {
  /** This page's room, on show or not. */
  readonly room = new RoomState();
  readonly reach = new Reach(this.room);
  readonly playhead: Playhead;
  /** What the room has streamed. */
  readonly live = new Session(this.room.stream);
  private readonly onShow = signal(this.live);
  private readonly network = signal<Connection>({ state: "off" });
  private readonly server = signal<Backend>({ state: "loading", message: SAY.lookingForModel });
  private readonly lastModel = signal<ModelInfo | null>(null);
  private readonly mapped = signal<Mapping>({ state: "none", reason: "" });
  private readonly likened = signal<readonly FeatureKey[]>([]);
  private readonly pins = signal<ReadonlySet<FeatureKey>>(new Set());
  private readonly sight = signal<View>(WHOLE);
  private readonly stand = computed(() => this.sight.value.token);
  private readonly filtering = computed(() => this.sight.value.filters);
  private readonly wish = computed(() => this.sight.value.feature);
  private readonly posing = computed(() => this.sight.value.pose);
  private readonly floor = computed(() => this.sight.value.links);
  private readonly flatness = computed(() => this.sight.value.flat);
  private readonly wanting = computed(() => this.sight.value.sources);
  private readonly hiding = computed<ReadonlySet<string>>(() => {
    const [ids, shown] = [this.sourceIds(), this.wanting.value];
    // If they are another model's sources, all of this one's are shown rather than none.
    const foreign = shown !== null && shown.length > 0 && !ids.some((id) => shown.includes(id));
    return new Set(shown === null || foreign ? [] : ids.filter((id) => !shown.includes(id)));
  });
  private readonly judge = computed<Judge>(() => judgeOf(this.filtering.value));
  private readonly ranking = computed(() => {
    const token = tokenOf(this);
    const { map } = this;
    const active = (token?.active ?? []).filter(({ feature }) => this.passes(feature));
    return strongest(this.session, active, token?.index, ({ source, id }) => {
      const number = map?.numberOf(source, id) ?? -1;
      return map && number >= 0 ? map.columnKey(number) : null;
    });
  });
  private readonly from = computed<Origin>(() => {
    if (this.onShow.value !== this.live) return "recording";
    return this.room.stream.lastSeq > 0 || this.live.runs > 0 ? "live" : "none";
  });
  private readonly sources = steady(() => {
    const run = this.session.run?.sources ?? [];
    if (this.origin === "recording" || this.model === null) return run;
    const served = this.model.sources.map(({ id }) => id);
    return [...served, ...run.filter((id) => !served.includes(id))];
  });
  private readonly texts = computed(() => this.session.width);
  private readonly inForce = steady(
    () => this.session.log?.editsAt(this.playhead.token?.position ?? Infinity) ?? [],
  );
  private readonly choice = computed(() => {
    const { wanted } = this;
    if (wanted === null) return null;
    const guest = this.guest.value;
    return this.session.feature(wanted) ?? (guest?.key === wanted ? guest : null);
  });
  private readonly pointed = signal<FeatureKey | null>(null);
  private readonly told = signal(0);
  private readonly passing = computed(() => {
    heed(this.told);
    ownLabels();
    return { hidden: this.hiding.value, judge: this.judge.value };
  });
  /** Labels of features that have not fired here, where somebody has asked for them. */
  private readonly names = signal<ReadonlyMap<FeatureKey, string>>(new Map());
  /** A feature that was looked up and has not fired here. */
  private readonly guest = signal<Feature | null>(null);

  constructor(wait: Wait = browserWait) {
    this.playhead = new Playhead(this, wait);
  }

  /** Takes in a frame of the room. Returns false for one that was there before. */
  apply(frame: Frame): boolean {
    return batch(() => {
      const fresh = this.room.apply(frame);
      if (fresh) this.reach.hear(frame);
      const { filters } = this;
      if (this.onShow.value === this.live) this.playhead.arrived();
      // A feature that has fired more strongly may pass `min` now.
      if (frame.type === "labels" || filters.some(({ kind }) => kind === "min")) this.learned();
      return fresh;
    });
  }

  /** What is on show: the room's, or a recording's. */
  get session(): Session {
    const session = this.onShow.value;
    // Whoever reads it follows what comes in, and what of it is shown.
    heed(session.stream.revision);
    heed(session.revision);
    return session;
  }

  get origin(): Origin {
    return this.from.value;
  }

  /** How many texts the run on show writes side by side. */
  get width(): number {
    return this.texts.value;
  }

  /** The edits in force at the token on show; where the newest is, those that are next. */
  get editsInForce(): readonly Edit[] {
    return this.inForce.value;
  }

  /** Shows what the room has streamed, or a session of a recording. */
  show(session: Session): void {
    batch(() => {
      const before = this.chosen;
      this.onShow.value = session;
      this.pointed.value = null;
      // A feature that has not been seen yet, as of a link, may be in this one.
      const feature = before === null ? this.wanted : null;
      this.look({ feature, token: null });
      if (session === this.live) this.playhead.arrived();
      this.learned();
    });
  }

  get presence(): RoomFrame | null {
    return this.room.frame;
  }

  get connection(): Connection {
    return this.network.value;
  }

  get backend(): Backend {
    return this.server.value;
  }

  /** The last model that was ready: a failed query does not take it away. */
  get model(): ModelInfo | null {
    return this.lastModel.value;
  }

  /** The map of the model in use, as far as it is there. */
  get mapping(): Mapping {
    return this.mapped.value;
  }

  set mapping(mapping: Mapping) {
    this.mapped.value = mapping;
  }

  /** Features like the chosen one, which the map names. */
  get alike(): readonly FeatureKey[] {
    return this.likened.value;
  }

  set alike(keys: readonly FeatureKey[]) {
    this.likened.value = keys;
  }

  /** The map, if all sources on show are on it. */
  get map(): FeatureMap | null {
    const { mapping } = this;
    return mapping.state === "ready" && mapping.map.covers(this.sourceIds()) ? mapping.map : null;
  }

  set(change: { connection?: Connection; backend?: Backend }): void {
    const { connection, backend } = change;
    batch(() => {
      if (connection) this.network.value = connection;
      if (backend) this.server.value = backend;
      if (backend?.state === "ready") this.lastModel.value = backend.model;
    });
  }

  get view(): View {
    return this.sight.value;
  }

  /** Looks elsewhere, or otherwise; what is not named stays. */
  look({ token, ...change }: Partial<View>): void {
    batch(() => {
      this.sight.value = { ...this.sight.peek(), ...change };
      if (token !== undefined) this.playhead.lookAt(token);
    });
  }

  /** Index of the token looked at, if there is one yet; the playhead changes it. */
  get token(): number | null {
    return this.stand.value;
  }

  set token(token: number | null) {
    const before = this.sight.peek();
    if (before.token !== token) this.sight.value = { ...before, token };
  }

  get filters(): readonly Filter[] {
    return this.filtering.value;
  }

  /** The sources known here that are not shown. */
  get hidden(): ReadonlySet<string> {
    return this.hiding.value;
  }

  /** Where the camera is to be, or was moved to; see `View`. */
  get pose(): Pose | null {
    return this.posing.value;
  }

  get linkFloor(): number {
    return this.floor.value;
  }

  get flat(): boolean | null {
    return this.flatness.value;
  }

  get chosen(): Feature | null {
    return this.choice.value;
  }

  /** The key that was chosen, even if that feature has not fired here. */
  get wanted(): FeatureKey | null {
    return this.wish.value;
  }

  choose(feature: FeatureKey | null): void {
    this.look({ feature });
  }

  /** Chooses a feature that may not have fired here. */
  chooseUnseen(source: string, id: number, label: string | null): void {
    const { layer } = this.sourceInfo(source) ?? { layer: 0 };
    const key = featureKey(source, id);
    // What is one's own name for it is not its label.
    const known = ownLabels().has(key) ? (this.names.peek().get(key) ?? null) : label;
    const guest = unseenFeature(source, id, layer, -1, known);
    batch(() => {
      if (known !== null) this.learnNames([[key, known]]);
      this.guest.value = guest;
      this.choose(guest.key);
    });
  }

  /** The features of the token on show that pass the filters, strongest first. */
  get strongest(): readonly Ranked[] {
    return this.ranking.value;
  }

  /** The feature whose tokens are shaded: the hovered one, else the chosen one. */
  get attended(): Feature | null {
    const hovered = this.hovered === null ? undefined : this.session.feature(this.hovered);
    return hovered ?? this.chosen;
  }

  /** The feature under the pointer or the focus, in the graph or in a list. */
  get hovered(): FeatureKey | null {
    return this.pointed.value;
  }

  hover(key: FeatureKey | null): void {
    this.pointed.value = key;
  }

  /** Features that stay listed whatever is chosen. */
  get pinned(): ReadonlySet<FeatureKey> {
    return this.pins.value;
  }

  set pinned(keys: ReadonlySet<FeatureKey>) {
    this.pins.value = keys;
  }

  /** Pins a feature, or unpins a pinned one. */
  pin(key: FeatureKey): void {
    const pinned = new Set(this.pinned);
    if (!pinned.delete(key)) pinned.add(key);
    this.pinned = pinned;
  }

  /** All sources in the order that gives them hue and storey: the model's, else the run's. */
  sourceIds(): readonly string[] {
    return this.sources.value;
  }

  /** What is known of a source, if it is one of the model's. */
  sourceInfo(source: string): SourceInfo | undefined {
    return this.model?.sources.find(({ id }) => id === source);
  }

  shows(source: string): boolean {
    return !this.hidden.has(source);
  }

  /** Another one when `passes` may change for features it was asked about. */
  get passVersion(): object {
    return this.passing.value;
  }

  /** Whether a feature is on show; `passVersion` tells when to ask again. */
  passes(feature: Feature, judge = this.judge.value): boolean {
    if (!this.shows(feature.source)) return false;
    if (judge === EVERYTHING) return true;
    const { id, key, density } = feature;
    const label = shownLabel(key, feature.label);
    const share = this.onShow.value.strengthOf(feature, feature.peak);
    return judge({ id, label, share, density });
  }

  /** Takes in what the label store knows of a feature; what is known already stays. */
  learn(
    feature: Feature,
    { label, density, max_activation }: FeatureFacts,
    promoted: readonly string[] = [],
  ): void {
    if (promoted.length > 0) feature.promoted = promoted;
    feature.label ??= label;
    feature.density ??= density;
    feature.knownMax ??= max_activation;
    this.learned();
  }

  /** The label of a feature, fired here or not; null if it is not known. */
  labelOf(key: FeatureKey): string | null {
    return shownLabel(key, this.session.feature(key)?.label ?? this.names.value.get(key) ?? null);
  }

  /** Takes in labels of features that may not have fired here. */
  learnNames(labels: readonly (readonly [FeatureKey, string])[]): void {
    if (labels.length > 0) this.names.value = new Map([...this.names.peek(), ...labels]);
  }

  /** The sources to ask for: undefined for all. */
  wantedSources(): string[] | undefined {
    const served = this.model?.sources.map(({ id }) => id) ?? [];
    const wanted = served.filter((id) => this.shows(id));
    return wanted.length === served.length ? undefined : wanted;
  }

  /** Labels or statistics of features have come: `passes` is to be asked again. */
  private learned(): void {
    batch(() => {
      touch(this.told);
      touch(this.onShow.peek().revision);
    });
  }
}

/** The token whose features are on show: the one looked at, else the newest that has some. */
export function tokenOf({ playhead, session }: Store): Token | null {
  return playhead.token ?? session.tokens.findLast(({ silent }) => !silent) ?? null;
}
