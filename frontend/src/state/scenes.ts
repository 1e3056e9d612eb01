/** Scenes: what is on show, saved with a line of text, and played in order from one file. */
import {
  type Recorded,
  type Recording,
  recordingText,
  runsOf,
  type Scene,
} from "../wire/recording";
import { readEdit } from "./edits";
import { editPairs } from "./address";
import { batch, signal } from "./signals";
import type { Store } from "./store";
import { type Pose, readView, viewPairs } from "./view";

/** A scene whose run is kept here, and not in a file. */
export interface Kept extends Omit<Scene, "run"> {
  run: readonly Recorded[];
}

export class Scenes {
  private readonly all = signal<readonly Kept[]>([]);
  private readonly standing = signal<number | null>(null);
  /** The runs of what is played, in the order of the recording that is open. */
  private played: readonly (readonly Recorded[])[] = [];

  constructor(private readonly store: Store) {}

  get list(): readonly Kept[] {
    return this.all.value;
  }

  /** Which scene is on show, from 0; null while none is played. */
  get at(): number | null {
    return this.standing.value;
  }

  /** The scene on show. */
  get scene(): Kept | null {
    return this.at === null ? null : (this.list[this.at] ?? null);
  }

  /** Saves what is on show now; `fetched` gives the frames of the run on show. */
  async add(name: string, fetched: Promise<readonly Recorded[]>): Promise<void> {
    const { view, playhead, reach } = this.store;
    const pose = view.pose === null ? [] : [...view.pose.position, ...view.pose.target];
    const shown: Omit<Kept, "run"> = {
      name,
      text: "",
      token: playhead.at < 0 ? null : playhead.at,
      view: new URLSearchParams(viewPairs(view)).toString(),
      pose,
      edits: editPairs(reach.edits).map(([, text]) => text),
    };
    const run = await fetched;
    const same = this.list.find((one) => startOf(one.run) === startOf(run));
    // A run that has gone on since is longer: earlier scenes of it show the same.
    if (same)
      this.all.value = this.list.map((one) => (one.run === same.run ? { ...one, run } : one));
    this.all.value = [...this.list, { ...shown, run }];
  }

  change(index: number, change: Partial<Pick<Kept, "name" | "text">>): void {
    this.all.value = this.list.map((one, i) => (i === index ? { ...one, ...change } : one));
  }

  remove(index: number): void {
    this.all.value = this.list.filter((_, i) => i !== index);
  }

  /** Moves a scene to another place in the order. */
  move(index: number, to: number): void {
    const one = this.list[index];
    if (!one || to < 0 || to >= this.list.length) return;
    this.all.value = this.list.toSpliced(index, 1).toSpliced(to, 0, one);
  }

  /** The file that holds the scenes and the runs that they show. */
  text(): string {
    const runs = distinct(this.list);
    const scenes = this.list.map((one) => ({ ...one, run: runs.indexOf(one.run) }));
    return recordingText(runs.flat(), scenes);
  }

  /** Takes in the scenes of a file, in place of those there were. */
  load({ frames, scenes }: Recording): void {
    const runs = runsOf(frames);
    this.all.value = scenes.flatMap((scene) => {
      const run = runs[scene.run];
      return run ? [{ ...scene, run }] : [];
    });
  }

  /** Shows a scene; the keys go on from there. */
  show(index: number): void {
    const scene = this.list[index];
    if (!scene) return;
    const { store } = this;
    const { playhead } = store;
    batch(() => {
      const runs = distinct(this.list);
      if (this.at === null || runs.some((run, i) => run !== this.played[i])) {
        this.played = runs;
        playhead.open(runs.flat(), { speed: Infinity, at: null, run: runs.indexOf(scene.run) });
      } else playhead.go(runs.indexOf(scene.run) - playhead.run);
      playhead.toEnd();
      const token = scene.token;
      store.look({ ...readView(new URLSearchParams(scene.view)), pose: poseOf(scene.pose), token });
      store.reach.change(scene.edits.flatMap((text) => readEdit(text) ?? []));
      this.standing.value = index;
    });
  }

  /** Goes to the next or the previous scene; past the last one, nothing changes. */
  step(by: number): void {
    const { at } = this;
    if (at !== null && this.list[at + by]) this.show(at + by);
  }

  /** The keys mean what they meant before. */
  end(): void {
    this.standing.value = null;
  }
}

function distinct(scenes: readonly Kept[]): (readonly Recorded[])[] {
  return [...new Set(scenes.map(({ run }) => run))];
}

/** What tells a run from others: when it began, and its seed. */
function startOf(run: readonly Recorded[]): string {
  const started = run.find(({ frame }) => frame.type === "started");
  return JSON.stringify(started);
}

function poseOf([px, py, pz, tx, ty, tz]: readonly number[]): Pose | null {
  const whole = px !== undefined && py !== undefined && pz !== undefined;
  return whole && tx !== undefined && ty !== undefined && tz !== undefined
    ? { position: [px, py, pz], target: [tx, ty, tz] }
    : null;
}
