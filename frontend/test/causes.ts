/** A run with an answer why its word came, and a page that asks; for tests of the panel. */
import type { AskWhy } from "../src/net/why";
import { Why } from "../src/state/why";
import { TextView } from "../src/ui/text";
import { WhyLine, WhyPanel } from "../src/ui/why";
import type { AnswerEvent, ExplainRequest } from "../src/wire/causes";
import type { Effect, Frame, PromptToken, TokenFrame } from "../src/wire/types";
import { feature, finished, modelInfo, SOURCE, started, streamed } from "./frames";
import { all, texts } from "./twin";

export const BELOW = "axon-demo/1-res";
export const PARIS = { token: " Paris", token_id: 9, logprob: Math.log(0.8) };
export const LONDON = { token: " London", token_id: 8, logprob: Math.log(0.1) };

export function given(position: number, text: string): PromptToken {
  return {
    token: text,
    position,
    token_id: 100 + position,
    features: [feature(7, 2, { label: "capital of France" })],
  };
}

export const MADE: TokenFrame = {
  type: "token",
  seq: 3,
  token: " Paris",
  token_id: 9,
  step: 0,
  position: 2,
  logprob: Math.log(0.8),
  features: [],
};

export const PROMPT: Frame = {
  type: "prompt",
  seq: 2,
  tokens: [
    { ...given(0, "The"), features: [] },
    { ...given(1, " France"), alternatives: [PARIS, LONDON] },
  ],
};
export const RUN: Frame[] = [started(1, [BELOW, SOURCE]), PROMPT, MADE, finished(4)];

export const cause = (
  id: number,
  logprob: number,
  source = SOURCE,
  position: number | null = 1,
): Effect => ({
  position,
  source,
  feature: id,
  activation: 2,
  logprob,
  logit: 2 * logprob,
});

export const EXPLAINING: AnswerEvent = {
  type: "explaining",
  model: "axon-demo",
  sources: [BELOW, SOURCE],
  tokens: [],
  position: 2,
  target: PARIS,
  rival: LONDON,
  logit: 2,
  active: 312,
  tried: 3,
};
export const EXPLAINED: AnswerEvent = {
  type: "explained",
  active: 312,
  tried: 3,
  agreement: { pearson: 0.412, top_5: 0.6 },
  elapsed_ms: 12,
};
export const FRANCE = { ...cause(3, Math.log(0.25), BELOW), label: "France" };
export const CAPITAL = { ...cause(7, Math.log(0.5)), label: "capital of France" };
export const AGAINST = cause(5, 0.1);
export const ANSWER: AnswerEvent[] = [
  EXPLAINING,
  { type: "effects", effects: [CAPITAL] },
  { type: "effect", ...FRANCE },
  { type: "effect", ...CAPITAL },
  { type: "effect", ...AGAINST },
  EXPLAINED,
];
export const PATH: AnswerEvent = {
  type: "path",
  source: SOURCE,
  removal: { source: BELOW, feature: 3, position: 1 },
  effects: [
    { position: 1, feature: 9, before: 1, after: 2 },
    { position: 1, feature: 8, before: 2, after: 1.5 },
    { position: 1, feature: 7, label: "capital of France", before: 3, after: 1 },
  ],
};

export interface Asked {
  request: ExplainRequest;
  tell: (event: AnswerEvent) => void;
  signal: AbortSignal;
  end: () => void;
}

export function panel(frames: readonly Frame[] = RUN, maxRemovals = 256) {
  const store = streamed(...frames);
  const facts = { hook: "", width: 99, architecture: "", neuronpedia_url: null };
  const sources = [BELOW, SOURCE].map((id, i) => ({ id, layer: i + 1, ...facts }));
  const model = modelInfo({ sources, maxRemovals });
  store.set({ backend: { state: "ready", model }, connection: { state: "open" } });
  store.apply({ type: "room", seq: 4, room: "r", role: "presenter", viewers: 1, open: false });
  const asked: Asked[] = [];
  const ask: AskWhy = (request, tell, signal) =>
    new Promise((resolve) => asked.push({ request, tell, signal, end: resolve }));
  const why = new Why(store, ask);
  new TextView(store);
  new WhyLine(store, why);
  new WhyPanel(store, why);
  return { store, why, asked };
}

export function opened(events: readonly AnswerEvent[] = ANSWER) {
  const page = panel();
  page.store.playhead.lookAt(2);
  button("Why this word?").click();
  const [first] = page.asked;
  if (!first) throw new Error("nothing was asked");
  for (const event of events) first.tell(event);
  return { ...page, first };
}

export function button(name: string): HTMLButtonElement {
  const found = all("button").find(({ textContent }) => textContent === name);
  if (!(found instanceof HTMLButtonElement)) throw new Error(`there is no ${name}`);
  return found;
}

export const names = (): string[] => texts("#why > .causes > li > button .name");
export const row = (name: string): HTMLElement => {
  const found = all("#why button.cause").find((one) => one.textContent.includes(name));
  if (!found) throw new Error(`there is no ${name}`);
  return found;
};
