/** Deutsch. */
import { countingIn, figuresOf, type Translation } from "./say";

const count = countingIn("de");
const figure = figuresOf("de");

const tokens = (n: number): string => count(n, { one: "# Token", other: "# Tokens" });
const features = (n: number): string => count(n, { one: "# Feature", other: "# Features" });
const RELOAD = "Diese Seite und der Server passen nicht zusammen. Laden Sie die Seite neu.";

const words: Translation = {
  MEANINGS: {
    feature:
      "Ein Feature (Merkmal) ist eine Richtung im Zustand des Modells, die ein Sparse Autoencoder gefunden hat. Es feuert, wo im Text steht, wofür es steht.",
    activation: "Wie stark ein Feature an einem Token feuert, in den Einheiten des Autoencoders.",
    share: "Die Aktivierung als Anteil der höchsten bekannten Aktivierung dieses Features.",
    source:
      "Eine Quelle ist ein Sparse Autoencoder: Er zerlegt den Zustand einer Schicht (Layer) in benannte Features.",
    L0: "Wie viele Features einer Quelle an diesem Token aktiv sind, ob gezeigt oder nicht.",
    missed:
      "Anteil des Zustands der Schicht, den der Autoencoder nicht wiedergibt; 0 % ist perfekt.",
    density: "Anteil der Tokens eines großen Textes, an denen das Feature feuert.",
    explainer:
      "Wer das Label geschrieben hat, meist ein Sprachmodell, das Texte gelesen hat, in denen das Feature feuert.",
    score: "Wie gut das Label vorhersagt, wo das Feature feuert; 1 ist am besten.",
    peak: "Seine höchste Aktivierung hier und die höchste bekannte.",
    probability:
      "Die Wahrscheinlichkeit, die das Modell selbst diesem Token gab, vor Temperatur und Ähnlichem.",
    promotes:
      "Tokens, die das Feature als Nächstes wahrscheinlicher macht, allein durch seine Gewichte. Eine Einheit Aktivierung erhöht ihr Logit um die Zahl.",
    suppresses:
      "Tokens, die das Feature als Nächstes unwahrscheinlicher macht, allein durch seine Gewichte.",
    alike:
      "Features derselben Quelle, deren Decoder-Vektoren fast in dieselbe Richtung zeigen: 1 ist dieselbe Richtung.",
    kin: "Aus jeder anderen Quelle das Feature mit dem ähnlichsten Decoder-Vektor. ⇄: gegenseitig.",
    alternatives: "Die wahrscheinlichsten Tokens an dieser Stelle, nach dem Modell selbst.",
    edited:
      "Ein Eingriff hat die Aktivierung dieses Features hier geändert: von dem, was sie war, zu dem, was sie wurde.",
    together:
      "Features, die an denselben Tokens dieses Textes feuerten. Der Balken sagt, wie viel öfter als durch Zufall.",
  },
  TERMS: { feature: "Feature", activation: "Aktivierung" },
  KNOB_TEXTS: {
    temperature: {
      label: "Temperatur",
      brief: (value) => `Temperatur ${value}`,
      help: "Wie frei das Modell wählt. 0 nimmt immer das wahrscheinlichste Token.",
    },
    top_k: {
      label: "Top-K",
      brief: (value) => `Top-K ${value === "0" ? "aus" : value}`,
      help: "Wählt nur unter so vielen der wahrscheinlichsten Tokens. 0 behält alle.",
    },
    top_p: {
      label: "Top-P",
      brief: (value) => `Top-P ${value === "1" ? "aus" : value}`,
      help: "Wählt unter den wenigsten Tokens, deren Wahrscheinlichkeiten diese Summe erreichen. 1 behält alle.",
    },
    repetition_penalty: {
      label: "Wiederholungsstrafe",
      brief: (value) => `Wiederholung ${value === "1" ? "frei" : value}`,
      help: "Über 1 werden Tokens, die schon vorkamen, unwahrscheinlicher. 1 ändert nichts.",
    },
    max_tokens: {
      label: "Höchstens Tokens",
      brief: (value) => tokens(Number(value)),
      help: "Wie viele Tokens das Modell schreiben darf.",
    },
    feat_k: {
      label: "Features je Token",
      brief: (value) => features(Number(value)),
      help: "Die stärksten Features, die an jedem Token gezeigt werden, für jede Quelle.",
    },
    act_threshold: {
      label: "Aktivierungsschwelle",
      brief: (value) => `über ${value}`,
      help: "Features mit dieser Aktivierung oder weniger werden nicht gezeigt.",
    },
    seed: {
      label: "Seed",
      brief: (value) => (value === "" ? "neuer Seed" : `Seed ${value}`),
      help: "Derselbe Seed und dieselben Einstellungen ergeben denselben Text. Leer zieht jedes Mal einen neuen.",
    },
  },
  PACE: {
    label: "Tempo",
    help: "Wie schnell das Modell schreibt. Ein langsames Modell wird davon nicht schneller.",
  },
  PACES: [
    { name: "so schnell es geht" },
    { name: "10 Tokens je Sekunde" },
    { name: "2 Tokens je Sekunde" },
  ],
  TURNS: [
    { name: "Aus", help: "Lässt das Feature, wie es ist." },
    { name: "Stumm", help: "Wo das Feature feuert, wird es auf 0 gesetzt." },
    { name: "×2", help: "Wo das Feature feuert, feuert es doppelt so stark." },
    { name: "×4", help: "Wo das Feature feuert, feuert es viermal so stark." },
    {
      name: "Minus",
      help: "Wo das Feature feuert, wird seine Richtung vom Zustand des Modells abgezogen statt addiert.",
    },
  ],
  REACH: {
    dial: "An diesem Feature drehen",
    replace: "Ein anderes an seine Stelle setzen",
    replaceHelp:
      "Wo das Feature feuert, wird es auf 0 gesetzt, und ein anderes dieser Quelle feuert an seiner Stelle, ebenso stark.",
    find: "Ein anderes Feature dieser Quelle",
    nothingFound: "Kein anderes Feature dieser Quelle hat dieses Label oder diese Nummer.",
    full: "Ein Text kann höchstens acht Eingriffe haben. Entfernen Sie zuerst einen.",
    onlyPresenter: "In diesem Raum kann nur eingreifen, wer vorträgt.",
    otherModel: "Das Modell, das da ist, hat diese Quelle nicht.",
    edits: "Eingriffe",
    inForce: "in Kraft",
    inForceHere: "an diesem Token in Kraft",
    notYet: "noch nicht in Kraft",
    next: "ab dem nächsten Text",
    twin: "Daneben der unberührte Zwilling",
    twinHelp:
      "Schreibt den Text zweimal aus demselben Seed, unverändert und mit den Eingriffen. Was sich unterscheidet, kommt von den Eingriffen.",
    parting: "Hier trennen sich die Texte.",
    refused: "Nicht angenommen",
    onShow: "wird gezeigt",
    choose: "Diesen Text im Graphen und in den Listen zeigen",
    asIs: "unverändert",
    with: (edits) => `mit ${edits}`,
    silenced: (feature) => `${feature} stumm`,
    minus: (feature) => `${feature} minus`,
    times: (feature, factor) => `${feature} ×${factor}`,
    set: (feature, strength) => `${feature} auf ${strength} gesetzt`,
    added: (feature, strength) => `${feature} ${strength}`,
    inPlaceOf: (other, feature) => `${other} statt ${feature}`,
  },
  PRESETS: [
    { label: "Wie das Modell", help: "Die Vorgaben des Modells." },
    { label: "Ruhig", help: "Wählt wahrscheinliche Tokens, mit wenigen Überraschungen." },
    {
      label: "Kreativ",
      help: "Wählt öfter unwahrscheinliche Tokens, lässt die unwahrscheinlichsten aber weg.",
    },
    {
      label: "Ohne Wiederholung",
      help: "Macht Tokens, die schon vorkamen, unwahrscheinlicher.",
    },
  ],
  ADVICE: {
    backend_lost:
      "Der Server des Modells ist weg. Er kommt von selbst wieder; drücken Sie dann noch einmal Erzeugen.",
    busy: "Es wird schon ein Text erzeugt. Warten Sie auf sein Ende, oder drücken Sie Anhalten.",
    connection_lost:
      "Die Verbindung riss ab, bevor die Anfrage ankam. Drücken Sie noch einmal Erzeugen.",
    deadline: "Das Erzeugen dauerte zu lange und wurde beendet. Verlangen Sie weniger Tokens.",
    empty_prompt: "Der Prompt ist leer. Schreiben Sie etwas, das das Modell fortsetzen kann.",
    foreign_origin:
      "Der Server lässt die Adresse dieser Seite nicht zu. Fügen Sie sie auf dem Server zu AXON_ORIGINS hinzu.",
    generation_failed:
      "Das Modell ist an dieser Anfrage gescheitert. Drücken Sie noch einmal Erzeugen; scheitert es wieder, ändern Sie die Einstellungen.",
    gateway_lost:
      "Der Server, der diesen Text erzeugte, ist weg. Drücken Sie noch einmal Erzeugen.",
    gateway_stopping:
      "Dieser Server wird neu gestartet. Drücken Sie in einem Moment noch einmal Erzeugen.",
    internal:
      "Im Server ging etwas schief; sein Protokoll sagt, was. Versuchen Sie es noch einmal.",
    invalid_http: RELOAD,
    invalid_json: "Der Server kann nicht lesen, was diese Seite sendet. Laden Sie die Seite neu.",
    labels_unavailable:
      "Labels können gerade nicht nachgeschlagen werden. Sie erscheinen, wenn der Label-Speicher wieder da ist.",
    message_too_big: "Das ist zu lang, um es zu senden. Kürzen Sie den Prompt.",
    method_not_allowed: RELOAD,
    no_map: "Dieser Server hat keine Karte der Features.",
    no_maximum:
      "Von diesem Feature ist keine größte Aktivierung bekannt, an der man messen könnte. Geben Sie die Stärke in seinen eigenen Einheiten an.",
    no_access: "Hier braucht man ein Zugangstoken. Geben Sie es neben dem Text ein.",
    not_editable:
      "In die Features dieser Quelle kann man nicht eingreifen. Wählen Sie eine andere Quelle.",
    not_found: RELOAD,
    not_possible: "Der Server des Modells kann das nicht.",
    not_presenter:
      "In diesem Raum kann nur erzeugen, wer vorträgt. Öffnen Sie von der Startseite aus einen eigenen Raum.",
    not_ready: "Das Modell ist noch nicht bereit. Versuchen Sie es in einem Moment noch einmal.",
    not_running: "Es lief nichts mehr.",
    prompt_too_long: "Der Prompt ist zu lang für dieses Modell. Kürzen Sie ihn.",
    queue_full: "Zu viele erzeugen gerade Texte.",
    rooms_unavailable:
      "Ein Teil des Servers ist nicht erreichbar. Der Raum wartet darauf und macht von selbst weiter.",
    too_fast: "Sie senden Anfragen zu schnell.",
    too_many_generations:
      "Sie erzeugen so viele Texte zugleich, wie einer Person erlaubt sind. Warten Sie, bis einer fertig ist.",
    too_many_recordings:
      "Viele Aufnahmen werden gerade heruntergeladen. Versuchen Sie es in einem Moment noch einmal.",
    too_many_questions:
      "Viele fragen gerade nach Features. Versuchen Sie es in einem Moment noch einmal.",
    too_many_rooms:
      "Alle Räume dieses Servers sind belegt. Versuchen Sie es in einem Moment noch einmal.",
    too_many_sockets:
      "Von Ihrer Netzadresse sind zu viele Seiten verbunden. Schließen Sie einige; diese hier versucht es weiter.",
    too_slow: "Die Verbindung ist zu langsam, um das zu senden. Versuchen Sie es noch einmal.",
    unknown_feature:
      "Dieses Feature ist nicht mehr verfügbar. Vielleicht ist jetzt ein anderes Modell da.",
    unknown_field: RELOAD,
    unknown_host:
      "Der Server kennt den Namen in der Adresse dieser Seite nicht. Fügen Sie ihn auf dem Server zu AXON_HOSTS hinzu.",
    unknown_model: "Dieses Modell ist nicht mehr verfügbar. Wählen Sie ein anderes.",
    unknown_room:
      "Dieser Raum ist geschlossen. Bitten Sie um einen neuen Link, oder öffnen Sie von der Startseite aus einen eigenen Raum.",
    unknown_source:
      "Eine gewählte Quelle ist nicht mehr verfügbar. Prüfen Sie die Quellen, und versuchen Sie es noch einmal.",
    unknown_type: RELOAD,
    unsupported_encoding: RELOAD,
  },
  KEYS: [
    ["Eingabe", "im Prompt: erzeugen (Umschalt+Eingabe für eine neue Zeile)"],
    ["/", "ein Feature suchen oder filtern"],
    ["Pfeiltasten, Pos1, Ende", "sich im Text und in jeder Liste bewegen"],
    ["Pfeiltasten, Bildtasten", "auf der Zeitleiste: Token für Token durch den Text gehen"],
    ["Pfeiltasten, + und −", "auf dem Graphen: drehen, näher kommen"],
    ["Eingabe oder Leertaste", "das Token oder Feature wählen"],
    ["Esc", "die Wahl aufheben oder schließen, was offen ist"],
    ["?", "diese Liste"],
  ],
  FILTERS: [
    { does: "verbirgt Features, deren Label dieses Wort enthält" },
    { does: "verbirgt Labels, auf die der Ausdruck passt, hier die einzelner Wörter" },
    { does: "zeigt nur passende Labels, hier die davon, wo Menschen und Tiere sind" },
    { does: "zeigt nur Labels mit dem einen oder dem anderen" },
    { does: "verbirgt Features ohne Label" },
    { does: "zeigt nur Features, die ein Fünftel ihrer vollen Stärke erreicht haben" },
    {
      does: "zeigt Features, die in weniger als 1 % allen Textes feuern, und die nie gemessenen",
    },
  ],
  EXAMPLES: [
    { caption: "eine Hauptstadt" },
    { caption: "dasselbe, als Frage" },
    { caption: "wo ist der Hund?" },
    { caption: "sie ist umgezogen" },
    { caption: "wer hat den Schlüssel?" },
    { caption: "aus dem einen ins andere" },
    { caption: "ein Gefühl und sein Grund" },
    { caption: "zwei Menschen, zwei Gefühle" },
    { caption: "eine Summe" },
    { caption: "eine Rechnung" },
    { caption: "eine Variable, die sich ändert" },
    { caption: "Wochentage" },
    { caption: "eine Geschichte" },
  ],
  BEGINNINGS: [
    { help: "Wörter oder /Ausdruck/ in einem Label" },
    { help: "nur solche Labels" },
    { help: "20%: hat ein Fünftel der vollen Stärke erreicht" },
    { help: "<1%: seltene und nie gemessene" },
  ],
  ACTIONS: {
    retry: "Jetzt versuchen",
    "clear-filters": "Filter löschen",
    "own-room": "Einen Raum öffnen",
  },
  NO_GRAPH:
    "Dieser Browser hat kein WebGL, deshalb gibt es keinen Graphen. Text und Features gehen auch so.",
  GRAPH_LOST:
    "Der Browser hat dem Graphen das WebGL entzogen. Meist kommt es von selbst wieder; wenn nicht, laden Sie die Seite neu. Text und Features gehen weiter.",
  SAY: {
    name: "Axon",
    feature: (id) => `Feature ${id}`,
    quoted: (text) => `„${text}“`,
    notShown: (reason) => `Die Aufnahme kann nicht gezeigt werden: ${reason}.`,
    notPlayed: (file, reason) => `${file} kann nicht abgespielt werden: ${reason}.`,
    cutOff: "Diese Aufnahme ist abgeschnitten: Ihr Ende fehlt. Der Rest kann abgespielt werden.",
    unread: (lines) =>
      count(lines, {
        one: "Eine ihrer Zeilen war nicht lesbar und fehlt.",
        other: "# ihrer Zeilen waren nicht lesbar und fehlen.",
      }),
    lookingForModel: "sucht das Modell",
    offline: "Dieses Gerät ist offline",
    lost: "Verbindung verloren",
    silence: "Der Server schweigt",
    broke: "Die Verbindung riss ab.",
    roomGone: "Der Raum ist weg.",
    whichLabels: (kind) => `Welche Labels? Zum Beispiel „${kind}: punctuation“.`,
    tooLong: (most) =>
      count(most, {
        one: "Dieser Filter ist zu lang: höchstens # Zeichen.",
        other: "Dieser Filter ist zu lang: höchstens # Zeichen.",
      }),
    endless: "Der Ausdruck hat kein Ende: Schließen Sie ihn mit einem zweiten Schrägstrich.",
    unreadable: (why) => `Der Ausdruck ist nicht lesbar: ${why}. Nichts wurde verborgen.`,
    howStrong: "Wie stark mindestens? Zum Beispiel „min: 20%“.",
    howDense: "Wie dicht? Zum Beispiel „density: <1%“ oder „density: 0.01%-1%“.",
    noSuchFeature: "Kein Feature hat dieses Label oder diese Nummer.",
    hidesNothing: (filter) => `„${filter}“ verbirgt bisher nichts: Kein Label passt.`,
    hide: "verbirgt Labels damit",
    keep: "zeigt nur Labels damit",
    place: (source, id, passes) =>
      `${source} #${id}${passes ? "" : ", von einem Filter verborgen"}`,
    unseenPlace: (source, id) => `#${id} von ${source}, noch nicht gesehen`,
    found: "Gefunden",
    removeFilter: "Diesen Filter entfernen",
    removeThisFilter: (filter) => `Filter ${filter} entfernen`,
    someSources: (shown, all) => `${shown} von ${all} Quellen`,
    notANumber: "Das ist keine Zahl.",
    settings: "Einstellungen",
    defaults: "Vorgaben",
    presets: "Voreinstellungen",
    anySeed: "leer: jedes Mal neu",
    atLeast: (least) => `${least} oder mehr`,
    above: (least) => `über ${least}`,
    range: (least, most) => `${least} bis ${most}`,
    notReady: (model) => `${model} (nicht bereit)`,
    allLinks: "alle Verbindungen werden gezeigt",
    someLinks: (percent) => `Verbindungen unter ${percent} % verborgen`,
    nothingShown: "Nichts wird gezeigt: Kreuzen Sie eine Quelle an.",
    sourceFacts: (hook, width, architecture) => `${hook}: ${features(width)}, ${architecture}`,
    layer: (layer) => `Schicht ${layer}`,
    removeEdit: (edit) => `Eingriff ${edit} entfernen`,
    copied: "Kopiert",
    copiedText: (text) => `Kopiert: ${text}`,
    notCopied: "Nicht kopiert",
    mayNotCopy: "Nicht kopiert: Der Browser hat es nicht erlaubt.",
    room: (room) => `Raum ${room}`,
    nobody: "Noch ist sonst niemand hier",
    others: (others) =>
      count(others, { one: "# andere Person ist hier", other: "# andere sind hier" }),
    code: (url) => `QR-Code von ${url}`,
    pin: "Anheften",
    unpin: "Lösen",
    copy: "Kopieren",
    close: "Schließen",
    closeByKey: "Schließen (Esc)",
    whereItFires: "Tokens, an denen es feuert",
    together: "Feuert zusammen mit",
    togetherAt: (n, weight) =>
      `zusammen an ${count(n, { one: "# Token", other: "# Tokens" })}; Gewicht der Verbindung ${weight} (wie viel öfter als durch Zufall)`,
    neuronpedia: "Auf Neuronpedia öffnen",
    nothingMore: "Mehr ist über dieses Feature gerade nicht bekannt.",
    noPromoted: (why) =>
      `Welche Tokens es fördert, ist gerade nicht verfügbar${why === null ? "" : `: ${why}`}`,
    none: "keine",
    highest: (most, before) =>
      `(${before === null ? "" : `geändert: von selbst ${before}; `}höchste bekannte ${most})`,
    silent: "stumm",
    activation: (activation) => `Aktivierung ${activation}`,
    facts: {
      peak: "Spitze",
      fired: "Feuerte an",
      layer: "Schicht",
      density: "Dichte",
      explainer: "Label von",
      score: "Güte des Labels",
    },
    seenHere: "hier gesehen",
    hereOfKnown: (known) => `hier, ${known} bekannt`,
    ofTokens: (n) => `von ${tokens(n)}`,
    ofAllTokens: "aller Tokens",
    ofOne: "von 1",
    promotesBy: (logit) => `Tokens, die das Feature als Nächstes wahrscheinlicher macht: ${logit}`,
    suppressesBy: (logit) =>
      `Tokens, die das Feature als Nächstes unwahrscheinlicher macht: ${logit}`,
    cosine: (cosine, mutual) => `Kosinus ${cosine}${mutual ? ", gegenseitig" : ""}`,
    promotes: "Fördert",
    suppresses: "Hemmt",
    alike: "Ähnlich nach Gewichten",
    strongest: (token) => (token === null ? "Am stärksten" : `Am stärksten an „${token}“`),
    row: (feature, edited, activation, peak) =>
      `${feature}: ${edited}Aktivierung ${activation}, höchste hier ${peak}`,
    editedFrom: (before, now) => `geändert von ${before} zu ${now}; `,
    pinned: (feature, peak) => `${feature}: angeheftet, höchste hier ${peak}`,
    start: "Anfang",
    startTip: "Das Zeichen vor dem Text. Seine Features sind Ausreißer und fehlen. ",
    blanks: { "↵": "Zeilenende", "⇥": "Tabulator" },
    noText: "kein sichtbarer Text",
    position: "Position",
    id: "ID",
    probability: "Wahrscheinlichkeit",
    log: (probability, log) => `${probability} (log ${log})`,
    fromThe: "aus dem",
    prompt: "Prompt",
    missed: "verfehlt",
    edited: "geändert",
    span: (least, most) => `${least} bis ${most}`,
    came: "Dieses kam",
    likeliest: "hier am wahrscheinlichsten",
    likeliestTokens: "Die wahrscheinlichsten Tokens hier",
    tiny: "unter 1 %",
    play: "Abspielen",
    pause: "Pause",
    end: "Ende",
    live: "Live",
    toEnd: "Zum Ende der Aufnahme",
    toNewest: "Zurück zum neuesten Token",
    generation: (run, runs) => `Text ${run} von ${runs}`,
    token: (place, all) => `Token ${place} von ${all}`,
    empty: "leer",
  },
  STATUS: {
    unreachable: "Der Server antwortet nicht. Die Seite versucht es weiter.",
    unreachableOwn: "Der Server antwortet nicht. Läuft er? Die Seite versucht es weiter.",
    tryingAgain: (reason, seconds) => `${reason}. Nächster Versuch in ${seconds} s.`,
    reconnectingIn: (reason, seconds) => `${reason}. Neue Verbindung in ${seconds} s.`,
    insteadOf: (wanted, there) =>
      `Dieser Server hat kein Modell ${wanted}. Erzeugen verwendet stattdessen ${there}.`,
    pressGenerate: "Drücken Sie Erzeugen, um das Modell schreiben zu lassen.",
    waitForPresenter: "Wartet, bis der Vortrag beginnt.",
    modelGone: "Das Modell ist gerade nicht da; die Seite wartet darauf",
    notReady: "Das Modell ist noch nicht bereit",
    detail: (state, detail) => `${state}: ${detail}`,
    ready: "Bereit.",
    sent: "Gesendet.",
    next: "Sie sind als Nächstes dran.",
    ahead: (requests) =>
      count(requests, {
        one: "Wartet: # Anfrage davor.",
        other: "Wartet: # Anfragen davor.",
      }),
    generating: "Erzeugt",
    token: (made) => `: Token ${made}`,
    tokenOf: (made, most) => `: Token ${made} von höchstens ${most}`,
    stopped: (n) =>
      count(n, {
        one: "Nach # Token angehalten. Wählen Sie eines, um es anzusehen.",
        other: "Nach # Tokens angehalten. Wählen Sie eines, um es anzusehen.",
      }),
    finished: (n) => `Fertig: ${tokens(n)}. Wählen Sie eines, um es anzusehen.`,
    finishedIn: (n, seconds) =>
      `Fertig: ${tokens(n)} in ${seconds} s. Wählen Sie eines, um es anzusehen.`,
    underTenth: "unter 0,1",
    endedEarly: "Das Erzeugen endete vorzeitig. Versuchen Sie es noch einmal.",
    seePrompt: "Nicht gesendet: Siehe die Anmerkung am Prompt.",
    seeEdits: "Nicht gesendet: Siehe die Anmerkung an den Eingriffen.",
    seeSetting: "Nicht gesendet: Siehe die Anmerkung an der Einstellung unten.",
    againIn: (advice, seconds) => `${advice} Versuchen Sie es in ${seconds} s noch einmal.`,
    againInMinutes: (advice, minutes) =>
      `${advice} Versuchen Sie es in ${count(minutes, { one: "# Minute", other: "# Minuten" })} noch einmal.`,
    connected: "verbunden",
    reconnecting: "verbindet neu",
    connecting: "verbindet",
    notConnected: "nicht verbunden",
    youPresent: "Sie tragen vor",
    youWatch: "Sie sehen zu",
    watching: (viewers) => count(viewers, { one: "# sieht zu", other: "# sehen zu" }),
    filtersHideAll: "Ihre Filter verbergen alle Features.",
    presenterLeft:
      "Wer vorträgt, ist gegangen. Der Raum bleibt und geht weiter, wenn jemand zurückkommt.",
    recording: "Aufnahme eines früheren Textes",
    recordingOf: (model) => `Aufnahme eines früheren Textes von ${model}`,
  },
  WHY: {
    ask: "Warum dieses Wort?",
    askHelp:
      "Misst, welche Features für dieses Token sprechen: Jedes wird stumm geschaltet, und das Modell läuft noch einmal",
    title: "Warum dieses Wort",
    rather: "statt",
    asking: "Schaltet ein Feature nach dem anderen stumm …",
    live: "Gemessen, während der Text geschrieben wurde.",
    missed: "Während der Text geschrieben wurde, war keine Zeit zu messen, warum dieses Wort kam.",
    method:
      "Jede Zeile ist gemessen: Das Modell lief noch einmal, mit diesem Feature stumm. Die Zahlen sind die Wahrscheinlichkeit des Wortes, wie sie war, und ohne das Feature. Der Balken ist die Änderung seiner Log-Wahrscheinlichkeit.",
    everywhere: "an jeder Position",
    speaksFor: "spricht dafür",
    speaksAgainst: "spricht dagegen",
    next: "Ohne es verlieren diese an Aktivierung in",
    nothingNext: "Kein Feature der nächsten Quelle verliert ohne es an Aktivierung.",
    last: "Über dieser liegt keine Quelle: Es wirkt unmittelbar auf das Wort.",
    untried: "nicht versucht",
    silence: "Stumm schalten und sehen",
    silenced: "Stumm ab dem nächsten Text. Drücken Sie Erzeugen.",
    more: (n) => `${n} versuchen`,
    graph: "Als Graph speichern (JSON)",
    graphHelp: "Die Ursachen und die aufgeklappten Pfade, im Graphformat von circuit-tracer",
    order: "Reihenfolge",
    orders: { logprob: "nach dem Wort", logit: "nach dem Wort statt dem anderen" },
    causes: "Ursachen, die stärksten zuerst",
    close: "Schließen",
    lost: "Die Antwort brach ab",
    early: "die Antwort endete vorzeitig",
    unreachable: "der Server ist nicht erreichbar",
    kin: "Verwandte in anderen Schichten",
    closeHelp: "Schließen (Esc)",
    tiny: "unter 0,0001 %",
    measured: (speaks, odds, logprob, logit) =>
      `${speaks}: ${odds}, Log-Wahrscheinlichkeit ${logprob}, Logit gegen das andere ${logit}`,
    often: (times, n) => `feuert an ${times} von ${tokens(n)}`,
    atToken: (token) => `an „${token}“`,
    atPosition: (position) => `an Position ${position}`,
    every: "Ursachen jedes Wortes",
    everyHelp:
      "Misst, was für jedes Wort spricht, während der Text geschrieben wird, soweit die Zeit reicht. Alle im Raum sehen es.",
    examples: "Stärkste Beispiele",
    examplesHelp:
      "Texte, in denen das Feature am stärksten feuert, wie der Server des Modells sie hat. Je dunkler ein Token, desto stärker feuert es dort; die Zahl ist seine höchste Aktivierung.",
    noneActive: "Vor diesem Wort ist kein Feature aktiv.",
    allTried: (active) =>
      count(active, {
        one: "Das # aktive Feature wurde versucht.",
        other: "Alle # aktiven Features wurden versucht, eines nach dem anderen.",
      }),
    someTried: (tried, active) =>
      `${tried} von ${active} aktiven Features versucht, die mit dem größten Gradienten.`,
    agreement: (r, share) =>
      `Gradient und Wegnehmen stimmen überein mit r = ${r}, und bei ${share} der 5 stärksten.`,
    nothingSpeaks: "Nichts von dem, was versucht wurde, spricht dafür.",
    weak: (change) =>
      `Nichts in diesem Text spricht stark dafür: Das stärkste Wegnehmen senkt seine Log-Wahrscheinlichkeit um ${change}.`,
    lessThan: (change) => `weniger als ${change}`,
  },
  PAGE: {
    side: { label: "Bedienung" },
    "model-choice": { label: "Modell" },
    "prompt-label": { text: "Prompt" },
    generate: { text: "Erzeugen" },
    stop: { text: "Anhalten" },
    loading: { label: "Herunterladen" },
    examples: { label: "Beispiele" },
    "examples-try": { text: "Versuchen Sie" },
    "sources-title": {
      text: "Quellen",
      title:
        "Eine Quelle ist ein Sparse Autoencoder: Er zerlegt den Zustand einer Schicht in benannte Features.",
    },
    "access-label": { text: "Zugangstoken" },
    "access-enter": { text: "Eintreten" },
    "forget-access": {
      text: "Abmelden",
      title: "Das Zugangstoken und die Räume dieses Browsers vergessen",
    },
    "language-label": { text: "Sprache" },
    find: { label: "Suchen", placeholder: "Feature suchen, oder hide: …" },
    hits: { label: "Gefunden" },
    room: { title: "Link zu diesem Raum: Wer ihn öffnet, kann zusehen" },
    "open-choice": { text: "Für alle offen" },
    follow: {
      text: "Dem Vortrag folgen",
      title:
        "Dorthin schauen, wohin der Vortrag schaut, bis Sie das Bild bewegen oder etwas wählen",
    },
    share: { text: "Teilen", title: "Der Link des Raums und ein QR-Code" },
    export: {
      text: "Export",
      title:
        "Eine Aufnahme, die Aktivierungen oder ein Bild speichern oder einen Link zu diesem Text kopieren",
    },
    "open-recording": { text: "Aufnahme", title: "Eine Aufnahme aus einer Datei abspielen" },
    "recording-file": { label: "Aufnahme" },
    help: { label: "Tasten und Filter", title: "Tasten und Filter" },
    chips: { label: "Filter" },
    stage: { label: "Graph" },
    "link-choice": {
      text: "Schwache ausblenden",
      title:
        "Eine Verbindung hält zwei Features zusammen, die öfter gemeinsam feuern als durch Zufall. Weiter rechts werden die schwächeren verborgen.",
    },
    fit: { text: "Einpassen", title: "Den ganzen Graphen zeigen, ohne ihn zu drehen" },
    reset: { text: "Zurücksetzen", title: "Zurück zur ersten Ansicht, ohne Wahl" },
    why: { label: "Warum dieses Wort" },
    playback: { label: "Wiedergabe" },
    "dismiss-recording-note": { text: "Ausblenden" },
    play: { text: "Abspielen", title: "Token für Token durch den Text gehen" },
    "step-back": { label: "Schritt zurück", title: "Ein Token zurück" },
    "step-forward": { label: "Schritt vor", title: "Ein Token vor" },
    strip: { label: "Zeitleiste" },
    speed: { label: "Geschwindigkeit", title: "Geschwindigkeit der Wiedergabe" },
    "all-at-once": { text: "Alles auf einmal" },
    live: { text: "Live" },
    "previous-run": { label: "Voriger Text" },
    "next-run": { label: "Nächster Text" },
    "back-to-room": {
      text: "Zurück zum Raum",
      title: "Diese Aufnahme schließen und zeigen, was im Raum geschehen ist",
    },
    band: { label: "Text und Features" },
    "text-title": { text: "Text" },
    "pinned-title": { text: "Angeheftet" },
    "strongest-title": { text: "Am stärksten" },
    inspector: { label: "Gewähltes Feature" },
    "drop-words": { text: "Aufnahme hier ablegen, um sie abzuspielen" },
    "export-menu": { label: "Export" },
    "export-recording": {
      text: "Aufnahme dieses Raums (JSONL)",
      title:
        "Alle Frames dieses Raums mit ihren Zeiten; diese Seite kann die Datei wieder abspielen",
    },
    "export-shown": {
      text: "Aktivierungen, die die Filter durchlassen (JSONL)",
      title: "Eine Zeile je Token, mit den Features, die die Filter durchlassen",
    },
    "export-all": {
      text: "Alle Aktivierungen (JSONL)",
      title: "Eine Zeile je Token, mit allen seinen Features",
    },
    "export-picture": { text: "Bild des Graphen (PNG)", title: "Der Graph, wie er jetzt aussieht" },
    "export-link": {
      text: "Link zu diesem Text kopieren",
      title: "Ein Link, der Prompt, Einstellungen und Seed ausfüllt; ihn zu öffnen startet nichts",
    },
    "share-title": { text: "Zusehen" },
    "share-copy": { text: "Link kopieren" },
    "share-close": { text: "Schließen" },
    "footprint-close": { text: "Schließen" },
    "help-world-title": { text: "Was dieses Modell kennt" },
    "help-world-text": {
      text: "Das mitgelieferte Modell hat englische Texte über eine kleine Welt gelesen: Menschen und Tiere an Orten, Dinge in Händen und Schachteln, Gefühle, ein Markt, Summen, Tage und Wetter, Länder, winzige Programme.",
    },
    "help-title": { text: "Tasten" },
    "help-turns-title": { text: "Der Drehschalter an einem gewählten Feature" },
    "help-filters-title": { text: "Filter, in das Suchfeld getippt" },
    "help-close": { text: "Schließen" },
  },
  OTHER_WEIGHTS: "sie gehört zu anderen Gewichten",
  NO_MAP: "Die Karte aller Features ist nicht angekommen.",
  mapRefused: (reason) =>
    `Die Karte aller Features ist nicht lesbar: ${reason}. Die Plätze werden stattdessen in diesem Browser gefunden.`,
  mapMaking: (stage, done) =>
    `Eine Karte aller Features entsteht: ${stage}, ${Math.round(100 * done)} %.`,
  nearness: (recall) => {
    const ten = figure(10 * recall, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    return `Die Höhe ist die Schicht. Nah heißt ähnlich nach Gewichten: Von den zehn ähnlichsten eines Features sind ${ten} unter seinen zehn nächsten. Fern sagt nichts.`;
  },
  MAP: {
    title: "Die Karte",
    flat: "Flach",
    flatHelp: "Zeigt die Karte von oben, alle Stockwerke in eine Ebene gelegt",
    alike: "Features wie dieses",
    alikeHelp:
      "Benennt die Features dieses Stockwerks, die dem gewählten auf der Karte am nächsten sind",
    provisional: "benannt nach Tokens, die seine Features fördern, mangels Labels",
    silent: "Nichts davon feuert an diesem Token.",
    now: "Jetzt am stärksten",
  },
  districtFacts: features,
  storeyName: (layer) => `Schicht ${layer}`,
  THEME: {
    light: "Hell",
    lightHelp: "Helle Farben, für einen hellen Raum",
    dark: "Dunkel",
    darkHelp: "Dunkle Farben, für einen dunklen Saal",
  },
  FOOTPRINT: {
    open: "Fußabdruck",
    help: "Wo auf der Karte dieser Text geleuchtet hat, als Bild, neben einem früheren",
    title: "Fußabdruck dieses Textes",
    means:
      "Die Karte von oben, alle Schichten zusammen. Je heller ein Ort, desto stärker und öfter feuerten seine Features; der hellste Ort jedes Textes ist voll. Warm ist dieser Text, kühl der andere, und wo beide sind, addiert sich das Licht.",
    over: "Darüberlegen",
    nothing: "nichts",
    save: "Bild speichern",
    said: (one, other) =>
      `Wo auf der Karte der Text „${one}“ geleuchtet hat${other === null ? "" : `, und der Text „${other}“`}`,
  },
  footprintSource: (model, hash) =>
    `Axon, ${model}, Karte ${hash}. Ort: Ähnlichkeit der Decoder-Zeilen der Features. Licht: Summe der Aktivierungen, jede als Anteil der vollen Stärke ihres Features.`,
};

export default words;
