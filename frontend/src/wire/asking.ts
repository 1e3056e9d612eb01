/** What the page asks of the room's model. */
import type { Edit, Message } from "./types";

/** The role of the one who asks, in a conversation. */
export const USER = "user";

/** What the page asks for; a knob left out means the server's default. */
export interface GenerateRequest {
  type: "generate";
  /** Or else `messages`. */
  prompt?: string;
  messages?: readonly Message[];
  /** What this person is called in the room's line. */
  name?: string;
  model?: string;
  max_tokens?: number;
  temperature?: number;
  top_k?: number;
  top_p?: number;
  repetition_penalty?: number;
  /** Decimal string: 64 bits do not fit a JavaScript number. */
  seed?: string;
  feat_k?: number;
  act_threshold?: number;
  sources?: string[];
  /** Most tokens a second of each branch; 0 is as fast as it goes. */
  pace?: number;
  /** How many likeliest next tokens each token is to carry. */
  alternatives?: number;
  /** The causes of each token are to follow it. */
  explain?: { limit?: number };
  /** Of the only branch; not beside `branches`. */
  edits?: readonly Edit[];
  branches?: readonly { name: string; edits?: readonly Edit[] }[];
}

/** Gives a branch of the running generation these edits and no others. */
export interface EditRequest {
  type: "edit";
  branch: number;
  edits: readonly Edit[];
}
