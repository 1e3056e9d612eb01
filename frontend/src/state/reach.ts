/** The edits that people ask for: of the running generation at once, else of the next one. */
import type { EditRequest, GenerateRequest } from "../wire/asking";
import type { Edit, Frame } from "../wire/types";
import { type Change, MOST_EDITS, sameEdits, withChange } from "./edits";
import type { Problem, Run } from "./log";
import type { RoomState } from "./room";
import { computed, signal } from "./signals";

/** The names of a twin's branches. */
// eslint-disable-next-line no-restricted-syntax -- a name in frames
export const AS_IS = "as is";
export const WITH = "with";

/** The strengths of a feature in a series of doses, each in a text of its own; 1 is untouched. */
const DOSES = [0, 0.5, 2, 4] as const;
/** A series of fewer texts says nothing that a twin does not say. */
export const LEAST_DOSES = 3;

/** The texts of a dose series, `most` at most: one without edits, and one for each strength. */
export function dosesOf(
  { source, id }: { source: string; id: number },
  most: number,
): Pick<GenerateRequest, "branches"> {
  const dosed = DOSES.slice(0, most - 1).map((scale) => ({
    name: `×${scale}`,
    edits: withChange([], { source, id }, { scale }),
  }));
  return { branches: [{ name: AS_IS }, ...dosed] };
}

/** An edit that the server did not take: null where it does not say which. */
export interface Refused {
  problem: Problem;
  edit: Edit | null;
}

export class Reach {
  private readonly wish = signal<readonly Edit[]>([]);
  private readonly beside = signal(true);
  private readonly refusal = signal<Refused | null>(null);
  private readonly met = computed(() => {
    const { running } = this;
    return running !== null && sameEdits(this.edits, inForce(running));
  });
  /** Sends a message; false if it could not be sent. */
  send: (message: EditRequest) => boolean = () => false;
  /** Asks for a run of these texts, with the settings that the page has. */
  generate: (texts: Pick<GenerateRequest, "branches">) => void = () => undefined;
  /** Whether a hand has changed the edits since the room's run last told its own. */
  private own = false;
  /** What this page's last request asked for, until its run starts. */
  private asked: readonly Edit[] | null = null;
  /** Edits sent and not answered. */
  private unanswered = 0;

  constructor(private readonly room: RoomState) {}

  /** The edits wished: those of the running generation, as far as the server has taken them. */
  get edits(): readonly Edit[] {
    return this.wish.value;
  }

  /** Whether an edited text is written beside the same text without edits. */
  get twin(): boolean {
    return this.beside.value;
  }

  set twin(twin: boolean) {
    this.beside.value = twin;
  }

  get refused(): Refused | null {
    return this.refusal.value;
  }

  /** Whether a running generation has them. */
  get inForce(): boolean {
    return this.met.value;
  }

  /** Whether no other feature may be edited. */
  get full(): boolean {
    return this.edits.length >= MOST_EDITS;
  }

  /** Changes what is done to a feature; null leaves it as it is. */
  turn(feature: { source: string; id: number }, change: Change | null): void {
    this.change(withChange(this.edits, feature, change));
  }

  /** Wishes for these edits; a running generation gets them at once. */
  change(edits: readonly Edit[]): void {
    if (sameEdits(edits, this.edits)) return;
    this.wish.value = edits;
    this.refusal.value = null;
    this.own = true;
    if (this.running) this.tell(this.running);
  }

  /** What a request says of branches and edits. */
  request(): Pick<GenerateRequest, "edits" | "branches"> {
    const { edits } = this;
    this.asked = edits;
    this.refusal.value = null;
    if (edits.length === 0) return {};
    return this.twin ? { branches: [{ name: AS_IS }, { name: WITH, edits }] } : { edits };
  }

  /** Takes in what a frame of the room says of edits. */
  hear(frame: Frame): void {
    const run = this.room.stream.newest;
    if (frame.type === "error") this.refuse();
    else if (run === null || (run.series && frame.type === "edited")) return;
    else if (frame.type === "started") this.begin(run);
    else if (frame.type === "edited" && frame.branch === run.editable) {
      const answered = this.unanswered > 0;
      this.unanswered = Math.max(0, this.unanswered - 1);
      if (this.unanswered === 0 && (answered || !this.own)) this.adopt(frame.edits);
    }
  }

  /** The newest run, if it takes edits now. */
  private get running(): Run | null {
    const { newest, phase } = this.room.stream;
    return phase === "generating" && !newest?.series ? newest : null;
  }

  private begin(run: Run): void {
    const { asked } = this;
    const edits = inForce(run);
    this.asked = null;
    this.unanswered = 0;
    if (run.series) return;
    const mine = asked !== null && sameEdits(asked, edits);
    if (mine && !sameEdits(edits, this.edits)) this.tell(run);
    else if (mine || !this.own) this.adopt(edits);
  }

  private tell(run: Run): void {
    const sent = this.send({ type: "edit", branch: run.editable, edits: this.edits });
    if (sent) this.unanswered += 1;
  }

  private adopt(edits: readonly Edit[]): void {
    this.own = false;
    if (!sameEdits(edits, this.edits)) this.wish.value = edits;
  }

  private refuse(): void {
    const { problem } = this.room.stream;
    const [named, index] = /(?:^|\.)edits(?:\[(\d+)\])?/u.exec(problem?.field ?? "") ?? [];
    if (!problem || named === undefined) return;
    this.refusal.value = { problem, edit: this.edits[Number(index)] ?? null };
    const { running } = this;
    if (this.unanswered === 0 || running === null) return;
    // What runs goes on with what it had.
    this.unanswered = 0;
    this.adopt(inForce(running));
  }
}

/** The edits in force at the end of a run's editable branch. */
function inForce(run: Run): readonly Edit[] {
  return run.branch(run.editable).editsAt(Infinity);
}
