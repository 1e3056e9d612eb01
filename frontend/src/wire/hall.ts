/** What the page sends of votes and the line. */
import type { Asked } from "./types";

/** Asks the hall. */
export type QuestionRequest = { type: "question" } & Omit<Asked, "id">;

/** Votes: an option's index, or a word. */
export interface VoteRequest {
  type: "vote";
  question: string;
  option?: number;
  word?: string;
}

/** Ends a vote. */
export interface CloseRequest {
  type: "close";
  question: string;
  answer: string | null;
}

/** Leaves the line, or takes somebody else out of it. */
export interface LeaveRequest {
  type: "leave";
  place: string | null;
}

export type HallRequest = QuestionRequest | VoteRequest | CloseRequest | LeaveRequest;
