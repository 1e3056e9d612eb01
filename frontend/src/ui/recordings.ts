/** Recordings from the reader's own disk: chosen with a button, or dropped on the page. */
import { parseRecording, type Recorded } from "../wire/parse";
import { byId } from "./dom";

export function offerRecordings(show: (frames: Recorded[]) => void): void {
  const input = byId("recording-file", HTMLInputElement);
  byId("open-recording").addEventListener("click", () => {
    input.click();
  });
  const open = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    try {
      show(parseRecording(await file.text()));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      alert(`${file.name} cannot be played: ${reason}.`);
    }
  };
  input.addEventListener("change", () => {
    void open(input.files?.[0]);
    // The same file may be chosen again.
    input.value = "";
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    void open(event.dataTransfer?.files[0]);
  });
}
