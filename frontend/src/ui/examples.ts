/** Prompts that show what the bundled model knows: a row under the prompt, a list in the help. */
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { byId, h } from "./dom";
import { rovingButtons } from "./roving";
import { isBusy, mayGenerate } from "./words";

/** The model trained on the small world that the examples are about. */
export const BUNDLED_MODEL = "axon-demo";

export interface Example {
  /** What the prompt makes visible, in a few words. */
  readonly caption: string;
  readonly prompt: string;
}

export const EXAMPLES: readonly Example[] = [
  { caption: "a capital", prompt: "The capital of France is" },
  { caption: "the same fact, asked", prompt: "What is the capital of Kenya? It is" },
  {
    caption: "where is the dog?",
    prompt:
      "The dog is in the garden. The cat is in the hall. Where is the dog now? The dog is in the",
  },
  {
    caption: "it has moved",
    prompt:
      "The owl is in the barn. Then the owl goes to the kitchen. Where is the owl? It is in the",
  },
  {
    caption: "who has the key?",
    prompt: "Anna has a key. She gives the key to Tom. Who has the key now?",
  },
  {
    caption: "out of one, into another",
    prompt:
      "There is a coin in the drawer. Ben takes the coin out of the drawer and puts it in the jar. Where is the coin? It is in the",
  },
  {
    caption: "a feeling and its cause",
    prompt: "Somebody breaks the drum of Lena. How does Lena feel? She is",
  },
  {
    caption: "two people, two feelings",
    prompt: "Leo hears a noise in the dark. Anna hears good news. How does Leo feel? He is",
  },
  { caption: "a sum", prompt: "3 + 4 =" },
  {
    caption: "a bill",
    prompt:
      "A pear costs 4 coins and a plum costs 3 coins. Mia takes a pear and a plum. That makes",
  },
  { caption: "a variable that changes", prompt: "x = 3\ny = x + 2\nx = 7\nprint(x)  #" },
  { caption: "days", prompt: "It is Monday. So tomorrow it is" },
  { caption: "a story", prompt: "Once upon a time there was" },
];

/** The first line of a prompt. */
export function firstLine(prompt: string): string {
  const end = prompt.indexOf("\n");
  return end < 0 ? prompt : `${prompt.slice(0, end)} …`;
}

/** Whether the examples are about the model that is there. */
export function knowsExamples({ backend }: Store): boolean {
  return backend.state === "ready" && backend.model.model === BUNDLED_MODEL;
}

/** `kept` hides the row but keeps its place, so that nothing jumps when a run begins or ends. */
export function rowState(store: Store): "shown" | "kept" | "none" {
  if (!knowsExamples(store) || !mayGenerate(store)) return "none";
  return isBusy(store) ? "kept" : "shown";
}

export class ExamplesView {
  private readonly row = byId("examples");
  private readonly dialog = byId("help-dialog", HTMLDialogElement);
  private readonly section = byId("help-world");
  private readonly listed: readonly HTMLButtonElement[];
  private shown = "";

  /** `fill` puts a prompt into its field. */
  constructor(
    private readonly store: Store,
    fill: (prompt: string) => void,
  ) {
    const buttons = EXAMPLES.map((example) => {
      const button = buttonOf(example, fill);
      button.title = example.prompt;
      return button;
    });
    this.row.append(...buttons);
    rovingButtons(this.row);
    this.listed = EXAMPLES.map((example) =>
      buttonOf(example, (prompt) => {
        // Close first: closing puts the focus back to where it was.
        this.dialog.close();
        fill(prompt);
      }),
    );
    byId("help-examples").append(...this.listed.flatMap(entryOf));
    follow(() => {
      this.update();
    });
  }

  private update(): void {
    const state = rowState(this.store);
    const known = knowsExamples(this.store);
    const watching = !mayGenerate(this.store);
    // This runs at every token, and mostly nothing has changed.
    const now = `${state} ${known} ${watching}`;
    if (now === this.shown) return;
    this.shown = now;
    this.row.hidden = state === "none";
    this.row.classList.toggle("kept", state === "kept");
    this.section.hidden = !known;
    // A viewer may read the examples, but not fill them in.
    for (const button of this.listed) button.disabled = watching;
  }
}

function buttonOf({ caption, prompt }: Example, fill: (prompt: string) => void): HTMLButtonElement {
  const button = h("button", { type: "button", class: "example" }, caption);
  button.addEventListener("click", () => {
    fill(prompt);
  });
  return button;
}

function entryOf(button: HTMLButtonElement, place: number): HTMLElement[] {
  const prompt = EXAMPLES[place]?.prompt ?? "";
  return [h("dt", {}, button), h("dd", { title: prompt }, firstLine(prompt))];
}
