/** The page's room: who is in it, this page's role, and what has been streamed in it. */
import type { Frame, RoomFrame } from "../wire/types";
import { HallState } from "./hall";
import { isRunning, type Phase, type Problem, type Run } from "./log";
import { computed, heed, signal } from "./signals";
import { Stream } from "./stream";
import { SAY } from "../words";

export class RoomState {
  readonly hall = new HallState();
  private readonly streamed = new Stream();
  private readonly newest = signal<RoomFrame | null>(null);
  private readonly standing = computed(() => this.stream.phase);
  private readonly wrong = computed(() => this.stream.problem);
  private readonly begun = computed(() => this.stream.newest);
  /** When this page came into the room, in seconds by the server's clock. */
  private came = -Infinity;

  /** Name, role and presence as the newest room frame tells them; null before there is one. */
  get frame(): RoomFrame | null {
    return this.newest.value;
  }

  /** Where its newest generation stands; views that read this alone do not follow every token. */
  get phase(): Phase {
    return this.standing.value;
  }

  get problem(): Problem | null {
    return this.wrong.value;
  }

  get run(): Run | null {
    return this.begun.value;
  }

  /** All that has come: who reads it follows every frame. */
  get stream(): Stream {
    heed(this.streamed.revision);
    return this.streamed;
  }

  /** Whether a run began before this page came into the room. */
  missed({ settings }: Run): boolean {
    return settings?.time !== undefined && settings.time < this.came;
  }

  /** Takes in one frame. Returns false for a log frame that was applied before. */
  apply(frame: Frame): boolean {
    this.hall.hear(frame);
    if (frame.type !== "room") return this.stream.apply(frame);
    // A later room frame of the same room comes without the token: keep the first one's.
    const known = this.frame?.room === frame.room ? this.frame.presenter_token : undefined;
    const token = frame.presenter_token ?? known;
    if (this.frame?.room !== frame.room) this.came = frame.time ?? -Infinity;
    this.newest.value = token === undefined ? frame : { ...frame, presenter_token: token };
    // The place in the room's log from which it is sent. It may be less than what came before:
    // a log of another epoch is read from its start.
    this.stream.lastSeq = Math.min(this.stream.lastSeq, frame.seq);
    return true;
  }

  /** The connection broke. An unanswered request counts as lost, until frames of it come. */
  interrupted(): void {
    if (this.stream.phase !== "requested") return;
    this.stream.fail({
      error: "connection_lost",
      message: SAY.broke,
      field: null,
    });
  }

  /** The room is gone. What was seen in it stays; the next room counts from the start. */
  leave(): void {
    if (isRunning(this.stream.phase)) {
      this.stream.fail({ error: "backend_lost", message: SAY.roomGone, field: null });
    }
    this.newest.value = null;
    this.hall.leave();
    this.stream.lastSeq = 0;
  }
}
