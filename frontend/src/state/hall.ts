/** What the hall does together in this page's room: the open question, its votes, the line. */
import type { HallRequest } from "../wire/hall";
import type { Asked, Frame, LineFrame, OutcomeFrame, Votes } from "../wire/types";
import { signal } from "./signals";

const NO_VOTES: Votes = { options: [], words: [], votes: 0 };
const NO_LINE: Pick<LineFrame, "places" | "mine"> = { places: [], mine: null };

/** What this page has voted: an option's index, or a word. */
export type Choice = number | string;

export class HallState {
  private readonly open = signal<Asked | null>(null);
  private readonly counted = signal<Votes>(NO_VOTES);
  private readonly ended = signal<OutcomeFrame | null>(null);
  private readonly own = signal<Choice | null>(null);
  private readonly waiting = signal(NO_LINE);
  private readonly begun = signal(0);
  /** Sends a message; false if it could not be sent. */
  send: (message: HallRequest) => boolean = () => false;

  /** What is asked now. */
  get asked(): Asked | null {
    return this.open.value;
  }

  /** The votes on it so far. */
  get votes(): Votes {
    return this.counted.value;
  }

  /** What this page has voted. */
  get choice(): Choice | null {
    return this.own.value;
  }

  /** The last vote that has ended while this page was there; null once it is put away. */
  get outcome(): OutcomeFrame | null {
    return this.ended.value;
  }

  /** Who waits to generate, and this page's own place. */
  get line(): Pick<LineFrame, "places" | "mine"> {
    return this.waiting.value;
  }

  /** How many generations this page has heard of. */
  get generations(): number {
    return this.begun.value;
  }

  hear(frame: Frame): void {
    switch (frame.type) {
      case "question":
        this.ask(frame.question);
        break;
      case "tally":
        if (frame.question === this.asked?.id) this.counted.value = frame;
        break;
      case "outcome":
        // Of the log: one of those before this page came is history.
        if (frame.question.id !== this.asked?.id) return;
        this.ask(null);
        this.ended.value = frame;
        break;
      case "line":
        this.waiting.value = frame;
        break;
      case "started":
        this.begun.value = this.begun.peek() + 1;
        this.ended.value = null;
        break;
    }
  }

  vote(choice: Choice): void {
    const question = this.asked?.id;
    if (question === undefined) return;
    const what = typeof choice === "number" ? { option: choice } : { word: choice };
    if (this.send({ type: "vote", question, ...what })) this.own.value = choice;
  }

  close(answer: string | null): void {
    const question = this.asked?.id;
    if (question !== undefined) this.send({ type: "close", question, answer });
  }

  /** What has ended is no longer to be shown. */
  putAway(): void {
    this.ended.value = null;
  }

  /** The room is gone. */
  leave(): void {
    this.ask(null);
    this.waiting.value = NO_LINE;
    this.begun.value = 0;
  }

  private ask(asked: Asked | null): void {
    if (asked?.id === this.asked?.id) return;
    this.open.value = asked;
    this.counted.value = NO_VOTES;
    this.own.value = null;
    if (asked) this.ended.value = null;
  }
}
