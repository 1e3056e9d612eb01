/** Asks the server why a token came. */
import { WireError } from "../wire/check";
import { type AnswerEvent, type ExplainRequest, parseAnswer } from "../wire/causes";
import { WHY } from "../words";
import { call } from "./server";

/** Asks, and tells each event of the answer as it comes; ends when `signal` is aborted. */
export type AskWhy = (
  request: ExplainRequest,
  tell: (event: AnswerEvent) => void,
  signal: AbortSignal,
) => Promise<void>;

export const askWhy: AskWhy = async (request, tell, signal) => {
  const broken = (why: string): void =>
    tell({ type: "error", error: "answer_lost", message: why, field: null });
  try {
    const response = await call("api/explain", {
      method: "POST",
      body: JSON.stringify(request),
      signal,
    });
    if (!response.ok) {
      tell({ type: "error", ...((await response.json()) as object) } as AnswerEvent);
      return;
    }
    let last = "";
    for await (const line of linesOf(response)) {
      const event = parseAnswer(JSON.parse(line));
      if (event) tell(event);
      last = event?.type ?? last;
    }
    if (last !== "explained" && last !== "error") broken(WHY.early);
  } catch (error) {
    if (signal.aborted) return;
    broken(error instanceof WireError ? error.message : WHY.unreachable);
  }
};

/** The lines of a body, as they come. */
async function* linesOf(response: Response): AsyncGenerator<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done = true, value = "" } = (await reader?.read()) ?? {};
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    if (done) return;
  }
}
