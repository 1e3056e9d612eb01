/** From JSON text to typed frames. Frame types this page does not know are skipped, not errors. */
import { asArray, asObject, asString, WireError } from "./check";
import { type Frame, FRAMES, type FrameType } from "./types";

/** Called with what breaks the contract; that is skipped, and the rest goes on. */
export type Broken = (error: WireError) => void;

/**
 * Parses one message into its frames: one, several for a batch, none for an unknown type. A frame
 * that breaks the contract goes to `broken` and is left out; the others of its batch are kept.
 */
export function parseMessage(text: string, broken: Broken): Frame[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    broken(new WireError("message is not JSON"));
    return [];
  }
  return parseFrames(value, broken);
}

/** Like `parseMessage`, for JSON that is parsed already. */
export function parseFrames(value: unknown, broken: Broken): Frame[] {
  try {
    const frame = asObject(value, "frame");
    const type = asString(frame.type, "type");
    if (type === "batch") {
      return asArray(frame.frames, "batch.frames").flatMap((inner) => parseFrames(inner, broken));
    }
    if (!isKnown(type)) return [];
    return [FRAMES[type](frame, type)];
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    broken(error);
    return [];
  }
}

function isKnown(type: string): type is FrameType {
  return Object.hasOwn(FRAMES, type);
}
