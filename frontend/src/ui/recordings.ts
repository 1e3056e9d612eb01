/** Recordings from the user's disk: chosen with a button, or dropped on the page. */
import { parseRecording, type Recording } from "../wire/recording";
import { byId, setText } from "./dom";

export class Recordings {
  private readonly target = byId("drop-target");
  private readonly note = byId("recording-note");
  private readonly words = byId("recording-words");

  constructor(private readonly show: (recording: Recording) => void) {
    const input = byId("recording-file", HTMLInputElement);
    byId("open-recording").addEventListener("click", () => {
      input.click();
    });
    input.addEventListener("change", () => {
      void this.open(input.files?.[0]);
      // The same file may be chosen again.
      input.value = "";
    });
    byId("dismiss-recording-note").addEventListener("click", () => {
      this.say("");
    });
    this.listenToDrops();
  }

  /** Shows what a recording lacks, or why it cannot be shown; "" hides the note. */
  say(text: string): void {
    setText(this.words, text);
    this.note.hidden = text === "";
  }

  private async open(file: File | undefined): Promise<void> {
    if (file === undefined) return;
    try {
      this.show(parseRecording(await file.text()));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.say(`${file.name} cannot be played: ${reason}.`);
    }
  }

  private listenToDrops(): void {
    const holdsFile = (event: DragEvent): boolean =>
      event.dataTransfer?.types.includes("Files") ?? false;
    // Leaving an element is no end; without a related target, the drag has left the window.
    document.addEventListener("dragenter", (event) => {
      if (holdsFile(event)) this.target.hidden = false;
    });
    document.addEventListener("dragleave", ({ relatedTarget }) => {
      if (relatedTarget === null) this.target.hidden = true;
    });
    document.addEventListener("dragover", (event) => {
      if (holdsFile(event)) event.preventDefault();
    });
    document.addEventListener("drop", (event) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      this.target.hidden = true;
      void this.open(event.dataTransfer?.files[0]);
    });
  }
}

/** What a recording lacks, in words; "" for a whole one. */
export function flawsOf({ cut, skipped }: Recording): string {
  const said = [];
  if (cut) said.push("This recording was cut off: its end is missing. The rest can be played.");
  if (skipped === 1) said.push("One line of it could not be read and is left out.");
  if (skipped > 1) said.push(`${skipped} lines of it could not be read and are left out.`);
  return said.join(" ");
}

/** Fetches a recording, by the name of one that comes with the page or by a path on this host. */
export async function loadRecording(nameOrUrl: string): Promise<Recording> {
  const url = /^[\w-]+$/.test(nameOrUrl)
    ? new URL(`/recordings/${nameOrUrl}.jsonl`, location.href)
    : new URL(nameOrUrl, location.href);
  if (url.origin !== location.origin) throw new Error("a recording must be on this host");
  const response = await fetch(url);
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return parseRecording(await response.text());
}
