// Plays steps: {names} begins a text with these branches, {branch, tokens, time} adds to one,
// {labels} names features, {end} says how it ended. See player.py.

const ORANGE = "240,130,20";
const SHADE = 0.55;
// Seconds between two steps: at most, and where no time is known.
const LONGEST = 5;
const USUAL = 0.1;
const ROWS = 12;

function make(tag, parent, text = "", properties = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  made.textContent = text;
  parent.append(made);
  return made;
}

function render({ model, el }) {
  const steps = [...model.get("steps")];
  const live = model.get("live");
  const labels = new Map();
  // The largest activation of each source so far.
  const largest = new Map();
  let shown = 0;
  let timer = null;
  let pointed = null;

  el.style.cssText = "font:14px/1.6 system-ui,sans-serif";
  const bar = make("div", el);
  bar.style.cssText = "display:flex;gap:.5em;align-items:center";
  const button = (text, label, act) => make("button", bar, text, { ariaLabel: label, title: label, onclick: act });
  button("⏮", "To the start", () => go(0));
  button("◀", "Back", () => go(shown - 1));
  const toggle = button("▶", "Play", () => (timer === null ? play() : pause()));
  button("▶|", "Forward", () => go(shown + 1));
  const slider = make("input", bar, "", { type: "range", min: 0, ariaLabel: "Place" });
  slider.style.flex = "1";
  slider.oninput = () => go(Number(slider.value));
  const text = make("div", el);
  const told = make("div", el);
  told.style.cssText = "font-size:12px;min-height:8em";
  told.setAttribute("aria-live", "off");

  // What the steps up to here make: the texts of the last generation, and how it ended.
  function scene() {
    let found = { names: [""], texts: [[]], end: "" };
    for (const step of steps.slice(0, shown)) {
      if (step.names) found = { names: step.names, texts: step.names.map(() => []), end: "" };
      if (step.tokens) found.texts[Math.min(step.branch, found.texts.length - 1)].push(...step.tokens);
      if (step.end) found.end = step.end;
    }
    return found;
  }

  const sourceOf = (name) => name.slice(0, name.lastIndexOf("/"));
  const share = ([name, activation]) => activation / (largest.get(sourceOf(name)) || 1);
  const darkest = (token) => Math.max(0, ...token.features.map(share));

  function learn(step) {
    for (const [name, label] of Object.entries(step.labels ?? {})) labels.set(name, label);
    for (const token of step.tokens ?? [])
      for (const [name, activation, label] of token.features) {
        if (label) labels.set(name, label);
        largest.set(sourceOf(name), Math.max(largest.get(sourceOf(name)) ?? 0, activation));
      }
  }

  function tell(token) {
    told.replaceChildren();
    if (!token) return;
    make("b", told, JSON.stringify(token.text));
    const strongest = [...token.features].sort((a, b) => share(b) - share(a)).slice(0, ROWS);
    for (const feature of strongest) {
      const [name, activation] = feature;
      const row = make("div", told, `${name}  ${activation.toFixed(2)}  ${labels.get(name) ?? ""}`);
      const end = `${(100 * Math.min(share(feature), 1)).toFixed(0)}%`;
      row.style.background = `linear-gradient(90deg,rgba(${ORANGE},.4) ${end},transparent ${end})`;
    }
  }

  function draw() {
    const { names, texts, end } = scene();
    text.replaceChildren();
    let last = null;
    texts.forEach((tokens, branch) => {
      const line = make("div", text);
      line.style.whiteSpace = "pre-wrap";
      if (names.length > 1) make("b", line, `${names[branch]}: `);
      for (const token of tokens) {
        const drawn = make("span", line, token.text.replaceAll("\n", "↵\n"), { tabIndex: 0 });
        drawn.style.background = `rgba(${ORANGE},${(SHADE * Math.min(darkest(token), 1)).toFixed(2)})`;
        if (token.generated) drawn.style.borderBottom = "1px solid rgba(128,128,128,.6)";
        drawn.onpointerenter = drawn.onfocus = () => tell((pointed = token));
        drawn.onpointerleave = drawn.onblur = () => { pointed = null; tell(last); };
        last = token;
      }
    });
    if (end) make("div", text, end).style.opacity = ".7";
    tell(pointed ?? last);
    slider.max = steps.length;
    slider.value = shown;
  }

  function go(place) {
    shown = Math.max(0, Math.min(place, steps.length));
    pointed = null;
    draw();
  }

  function pause() {
    clearTimeout(timer);
    timer = null;
    toggle.textContent = "▶";
    toggle.ariaLabel = toggle.title = "Play";
  }

  function play() {
    if (shown === steps.length && !live) shown = 0;
    toggle.textContent = "⏸";
    toggle.ariaLabel = toggle.title = "Pause";
    next();
  }

  function next() {
    if (shown === steps.length) return pause();
    const [before, now] = [steps[shown - 1]?.time, steps[shown].time];
    const wait = before && now ? Math.min(Math.max(now - before, 0), LONGEST) : steps[shown].tokens ? USUAL : 0;
    timer = setTimeout(() => { go(shown + 1); next(); }, 1000 * wait);
  }

  function add(more) {
    const following = shown === steps.length;
    for (const step of more) learn(step);
    steps.push(...more);
    // Who looks back, or plays, stays where they are.
    if (following && timer === null) go(steps.length);
    else draw();
  }

  const onMessage = (message) => {
    if (message.all) {
      steps.length = shown = 0;
      add(message.all);
    } else if (message.more) add(message.more);
  };
  model.on("msg:custom", onMessage);
  for (const step of steps) learn(step);
  if (live) model.send({ want: "steps" });
  go(steps.length);
  return () => {
    clearTimeout(timer);
    model.off("msg:custom", onMessage);
  };
}

export default { render };
