/**
 * What frames have told, from a room or a recording: features, runs and where the newest of them
 * stands. Nothing here says how much of it is on show: that is the playhead's matter.
 */
import {
  type ErrorFrame,
  type FinishedFrame,
  type Frame,
  isPresence,
  type PresenceFrame,
  type PromptToken,
  type TokenFrame,
} from "../wire/types";
import { type Feature, featureKey, FeatureTable } from "./feature";
import {
  isRunning,
  type Log,
  type Outcome,
  type Phase,
  type Problem,
  Run,
  type RunSettings,
} from "./log";
import { signal, touch } from "./signals";

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

export class Stream {
  readonly table = new FeatureTable();
  /** Oldest first. A room keeps only the newest, see `forget`. */
  runs: Run[] = [];
  queuePosition = 0;
  problem: Problem | null = null;
  /** Goes up with whatever is told. */
  readonly revision = signal(0);
  private asked: Phase = "idle";
  private readonly applied = signal(0);

  /** Takes in one frame, made at `time` seconds. False for a log frame that was there before. */
  apply(frame: Frame, time: number | null = null): boolean {
    if (isPresence(frame)) return true;
    if (frame.type === "error") {
      // An error of the log has the next number; one for this page alone repeats the last number.
      if (frame.seq === this.lastSeq + 1) this.lastSeq = frame.seq;
      this.fail(frame);
    } else {
      if (frame.seq <= this.lastSeq) return false;
      this.lastSeq = frame.seq;
      // A frame of the log: the room goes on.
      if (this.problem?.code === "rooms_unavailable") this.problem = null;
      this.applyLogged(frame, time);
    }
    touch(this.revision);
    return true;
  }

  /** Newest frame of the room's log that was applied; a reconnect asks for the one after it. */
  get lastSeq(): number {
    return this.applied.value;
  }

  set lastSeq(seq: number) {
    this.applied.value = seq;
  }

  get newest(): Run | null {
    return this.runs.at(-1) ?? null;
  }

  get phase(): Phase {
    return this.asked;
  }

  /** The settings of the newest run, its end, and how many tokens of its own it has. */
  get run(): RunSettings | null {
    return this.newest?.settings ?? null;
  }

  get made(): number {
    const log = this.newest?.branch(0);
    return log ? log.tokens.length - log.given : 0;
  }

  get outcome(): Outcome | null {
    return this.newest?.outcome ?? null;
  }

  /** The user asked for a generation; nothing has come back yet. */
  requested(): void {
    this.problem = null;
    this.stand("requested");
  }

  /** What went wrong is no longer to be shown. */
  forgive(): void {
    this.problem = null;
    touch(this.revision);
  }

  /** A running generation, or a request, is over for this reason. */
  fail(frame: Omit<ErrorFrame, "type" | "seq">): void {
    const { error: code, message, field, retry_after: retryAfter = null } = frame;
    this.problem = { code, message, field, retryAfter };
    const ends = this.phase === "requested" || (isRunning(this.phase) && FATAL.has(code));
    if (ends) this.stand("failed");
  }

  /** Drops the runs before the newest: nothing can go back to them. */
  forget(): void {
    this.runs = this.runs.slice(-1);
  }

  private stand(phase: Phase): void {
    this.asked = phase;
    if (this.newest && phase !== "requested" && phase !== "queued") this.newest.phase = phase;
    touch(this.revision);
  }

  private applyLogged(
    frame: Exclude<Frame, PresenceFrame | ErrorFrame>,
    time: number | null,
  ): void {
    switch (frame.type) {
      case "queued":
        this.queuePosition = frame.position;
        this.stand("queued");
        break;
      case "started":
        this.problem = null;
        this.runs.push(new Run(frame, this.table));
        this.stand("generating");
        break;
      case "prompt":
        for (const token of frame.tokens) this.append(token, null, time, frame.branch);
        break;
      case "token":
        this.append(frame, frame, time, frame.branch);
        break;
      case "edited":
        this.branch(frame.branch).edit(frame.position, frame.edits);
        break;
      case "effects":
        this.branch(frame.branch).explain(frame.position, frame.missed ? null : frame);
        break;
      case "branch_ended": {
        const { reason, generated_tokens: generated } = frame;
        this.branch(frame.branch).ended = { reason, generated };
        break;
      }
      case "labels":
        for (const [id, label] of Object.entries(frame.labels)) {
          const feature = this.table.get(featureKey(frame.source, Number(id)));
          if (feature) feature.label = label;
        }
        this.learn(frame.source, frame.max, (feature, max) => (feature.knownMax = max));
        this.learn(frame.source, frame.score, (feature, score) => (feature.score = score));
        this.learn(frame.source, frame.density, (feature, density) => (feature.density = density));
        break;
      case "outcome":
        this.newest?.decide(frame);
        break;
      case "finished":
        this.finish(frame);
        break;
    }
  }

  /** Takes in a figure of each of some features. */
  private learn(
    source: string,
    figures: Record<string, number> = {},
    take: (feature: Feature, figure: number) => void,
  ): void {
    for (const [id, figure] of Object.entries(figures)) {
      const feature = this.table.get(featureKey(source, Number(id)));
      if (feature) take(feature, figure);
    }
  }

  private append(
    wire: PromptToken | TokenFrame,
    generated: TokenFrame | null,
    time: number | null,
    branch = 0,
  ): void {
    const features = wire.features.map((feature) => this.table.meet(feature));
    this.branch(branch).append(wire, generated, features, time);
  }

  /** A branch of the newest run, which a recording may begin in the middle of. */
  private branch(index: number): Log {
    let run = this.newest;
    if (run === null) this.runs.push((run = new Run(null, this.table)));
    return run.branch(index);
  }

  private finish(frame: FinishedFrame): void {
    const { prefill_ns, decode_ns } = frame.timings;
    if (this.newest) {
      this.newest.outcome = {
        reason: frame.reason,
        generated: frame.generated_tokens ?? this.made,
        seconds: decode_ns === undefined ? null : ((prefill_ns ?? 0) + decode_ns) / 1e9,
      };
    }
    this.stand(frame.reason === "cancelled" ? "stopped" : "finished");
  }
}
