/** GET /api/model until it answers, and GET /api/features. */
import type { Backend } from "../session/store";
import { asObject } from "../wire/check";
import { type FeatureInfo, type ModelInfo, parseFeatureInfo, parseModel } from "../wire/model";

const POLL_MS = 1500;

/** Asks for the model until the answer is yes, reporting every state on the way. */
export async function waitForModel(report: (backend: Backend) => void): Promise<ModelInfo> {
  for (;;) {
    const backend = await askForModel();
    report(backend);
    if (backend.state === "ready") return backend.model;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function askForModel(): Promise<Backend> {
  try {
    const response = await fetch("/api/model", { headers: { accept: "application/json" } });
    if (response.ok) return { state: "ready", model: parseModel(await response.json()) };
    if (response.status !== 503) throw new Error(`HTTP ${response.status}`);
    return { state: "loading", message: await reason(response) };
  } catch (error) {
    return {
      state: "unreachable",
      message: error instanceof Error ? error.message : String(error),
    };
  }
}

async function reason(response: Response): Promise<string> {
  const body: unknown = await response.json().catch(() => null);
  if (body === null) return "";
  const { message } = asObject(body, "error");
  return typeof message === "string" ? message : "";
}

/** What the label store knows of a feature; null when it knows nothing or cannot be asked. */
export async function askForFeature(source: string, index: number): Promise<FeatureInfo | null> {
  // A source is named model/rest; that model need not go by the name of the one that runs.
  const path = [...source.split("/"), String(index)].map(encodeURIComponent).join("/");
  try {
    const response = await fetch(`/api/features/${path}`);
    return response.ok ? parseFeatureInfo(await response.json()) : null;
  } catch {
    return null;
  }
}
