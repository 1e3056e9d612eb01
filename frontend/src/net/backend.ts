/** Asks the server: of its models, repeatedly until one is ready, and of features. */
import type { Feature } from "../state/feature";
import { follow } from "../state/signals";
import type { Backend, Store } from "../state/store";
import { asObject } from "../wire/check";
import {
  type FeatureFacts,
  type FeatureInfo,
  type Labelled,
  parseFeatureFacts,
  parseFeatureInfo,
  parseLabelled,
  parseModel,
} from "../wire/model";
import { call } from "./server";

const POLL_MS = 1500;

/** What `ModelWatch` needs from outside; a test passes its own. */
export interface ModelSource {
  /** The model of this name; null for the server's default. */
  ask(model: string | null): Promise<Answer>;
  wait(ms: number): Promise<void>;
}

/** `unknown`: the server has no model by the name asked for. */
export type Answer = Exclude<Backend, { state: "off" }> | { state: "unknown" };

/** Tracks the model that is there: asks until one is ready, and again on each `look`. */
export class ModelWatch {
  private wanted: string | null = null;
  /** Counts the choices, so that an answer to an earlier one is ignored. */
  private asked = 0;
  private asking = false;
  private again = false;
  /** The model that was asked for and is not there: the server's default takes its place. */
  private missing: string | undefined;
  private reported = "";

  constructor(
    private readonly source: ModelSource,
    private readonly report: (backend: Backend) => void,
  ) {}

  choose(model: string | null): void {
    if (model === this.wanted) return;
    this.wanted = model;
    this.missing = undefined;
    this.asked += 1;
    this.look();
  }

  /** Asks once more, since the model may have changed or gone. */
  look(): void {
    this.again = true;
    if (!this.asking) void this.askUntilReady();
  }

  private async askUntilReady(): Promise<void> {
    this.asking = true;
    while (this.again) {
      this.again = false;
      const asked = this.asked;
      const answer = await this.source.ask(this.wanted);
      if (asked !== this.asked) continue;
      if (answer.state === "unknown") {
        this.missing = this.wanted ?? undefined;
        this.wanted = null;
        this.again = true;
        continue;
      }
      const missing = this.missing;
      const inPlace = answer.state === "ready" && missing !== undefined;
      this.tell(inPlace ? { ...answer, insteadOf: missing } : answer);
      if (answer.state === "ready") continue;
      await this.source.wait(POLL_MS);
      this.again = true;
    }
    this.asking = false;
  }

  /** Reports news only: the same answer every half minute is none. */
  private tell(backend: Backend): void {
    const text = JSON.stringify(backend);
    if (text === this.reported) return;
    this.reported = text;
    this.report(backend);
  }
}

/** The gateway that serves this page. */
export const gatewayModels: ModelSource = {
  ask: askForModel,
  // Spread, so that not all pages of a hall ask at once.
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms * (0.75 + Math.random() / 2))),
};

async function askForModel(model: string | null): Promise<Answer> {
  const query = model === null ? "" : `?${new URLSearchParams({ model }).toString()}`;
  try {
    const response = await call(`api/model${query}`);
    if (response.ok) return { state: "ready", model: parseModel(await response.json()) };
    const { code, message } = await reason(response);
    if (code === "unknown_model") return { state: "unknown" };
    if (code === "no_access") return { state: "loading", message, locked: true };
    if (response.status !== 503) throw new Error(message || `HTTP ${response.status}`);
    return { state: "loading", message };
  } catch (error) {
    return {
      state: "unreachable",
      message: error instanceof Error ? error.message : String(error),
    };
  }
}

async function reason(response: Response): Promise<{ code: string; message: string }> {
  const body: unknown = await response.json().catch(() => null);
  const { error, message } = body === null ? {} : asObject(body, "error");
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return { code: text(error), message: text(message) };
}

/** What the label store knows of a feature; null when it knows nothing or cannot be asked. */
export async function askForFeature(source: string, index: number): Promise<FeatureInfo | null> {
  return ask(`${sourcePath(source)}/${index}`, parseFeatureInfo);
}

/** Labels and statistics of many features of a source, by index; null when it cannot be asked. */
export async function askForFacts(
  source: string,
  indices: readonly number[],
): Promise<Map<number, FeatureFacts> | null> {
  return ask(`${sourcePath(source)}?index=${indices.join(",")}`, parseFeatureFacts);
}

/** A model's features with these words in their label; null when it cannot be asked. */
export async function askForLabelled(model: string, label: string): Promise<Labelled[] | null> {
  const query = new URLSearchParams({ model, label }).toString();
  return ask(`api/features?${query}`, parseLabelled);
}

/** A source is named `model/rest`; that model's name may differ from the running model's. */
function sourcePath(source: string): string {
  return `api/features/${source.split("/").map(encodeURIComponent).join("/")}`;
}

async function ask<T>(path: string, parse: (value: unknown) => T): Promise<T | null> {
  try {
    const response = await call(path);
    return response.ok ? parse(await response.json()) : null;
  } catch {
    return null;
  }
}

/** Features per query. */
const AT_ONCE = 256;
/** Time between two queries, and after one that failed. */
const PAUSE_MS = 500;
const RETRY_MS = 10_000;

const NOTHING: FeatureFacts = { label: null, density: null, max_activation: null };

export type AskForFacts = (
  source: string,
  indices: readonly number[],
) => Promise<Map<number, FeatureFacts> | null>;

export class Facts {
  private readonly asked = new WeakSet<Feature>();
  private asking = false;

  constructor(
    private readonly store: Store,
    private readonly ask: AskForFacts,
  ) {
    follow(() => {
      const some = this.next();
      if (some.length > 0 && !this.asking) void this.fetch();
    });
  }

  /** Whether a filter needs densities. */
  private wanted(): boolean {
    return this.store.filters.some(({ kind }) => kind === "density");
  }

  /** Asks source by source, until there is an answer about every feature. */
  private async fetch(): Promise<void> {
    this.asking = true;
    for (let some = this.next(); some.length > 0; some = this.next()) {
      const source = some[0]?.source ?? "";
      const found = await this.ask(
        source,
        some.map(({ id }) => id),
      );
      for (const feature of found ? some : []) {
        this.asked.add(feature);
        this.store.learn(feature, found?.get(feature.id) ?? NOTHING);
      }
      await new Promise((resolve) => setTimeout(resolve, found ? PAUSE_MS : RETRY_MS));
    }
    this.asking = false;
  }

  private next(): Feature[] {
    if (!this.wanted()) return [];
    const { session, model } = this.store;
    // The server knows nothing of the sources of another model's recording.
    const sources = new Set(model?.sources.map(({ id }) => id));
    const unknown = session.features.filter(
      (feature) =>
        feature.density === null && sources.has(feature.source) && !this.asked.has(feature),
    );
    return unknown.filter(({ source }) => source === unknown[0]?.source).slice(0, AT_ONCE);
  }
}
