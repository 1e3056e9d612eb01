/** A room's recording, as its server keeps it. */
import type { Store } from "../state/store";
import { parseRecording, type Recording } from "../wire/recording";
import { call } from "./server";

/** Its path on the server. */
export function recordingOf(room: string): string {
  return `api/rooms/${room}/recording.jsonl`;
}

/** All that a room has streamed, with labels; of this page's room if no other is named. */
export async function roomRecording(
  store: Store,
  room = store.presence?.room ?? "",
): Promise<Recording> {
  const response = await call(recordingOf(encodeURIComponent(room)));
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return parseRecording(await response.text());
}
