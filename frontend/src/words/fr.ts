/** Français. */
import { countingIn, figuresOf, type Translation } from "./say";

const count = countingIn("fr");
const figure = figuresOf("fr");

const quoted = (text: string): string => `« ${text} »`;
const tokens = (n: number): string => count(n, { one: "# token", other: "# tokens" });
const features = (n: number): string => count(n, { one: "# feature", other: "# features" });
const RELOAD = "Cette page et le serveur ne vont pas ensemble. Rechargez la page.";

const words: Translation = {
  MEANINGS: {
    feature:
      "Une feature (caractéristique) est une direction dans l’état du modèle, trouvée par un autoencodeur parcimonieux (sparse autoencoder). Elle s’active là où le texte contient ce qu’elle représente.",
    activation:
      "La force avec laquelle une feature s’active à un token, dans les unités de l’autoencodeur.",
    share: "L’activation en proportion de la plus haute activation connue de cette feature.",
    source:
      "Une source est un autoencodeur parcimonieux : il décompose l’état d’une couche (layer) en features nommées.",
    L0: "Combien de features d’une source sont actives à ce token, affichées ou non.",
    missed: "Part de l’état de la couche que l’autoencodeur ne reproduit pas ; 0 % est parfait.",
    density: "Part des tokens d’un grand texte où la feature s’active.",
    explainer:
      "Qui a écrit le label, le plus souvent un modèle de langue qui a lu des textes où la feature s’active.",
    score: "À quel point le label prédit où la feature s’active ; 1 est le mieux.",
    peak: "Sa plus haute activation ici, et la plus haute connue.",
    probability:
      "La probabilité que le modèle lui-même a donnée à ce token, avant la température et le reste.",
    promotes:
      "Tokens que la feature rend plus probables ensuite, par ses seuls poids. Une unité d’activation ajoute ce nombre à leur logit.",
    suppresses: "Tokens que la feature rend moins probables ensuite, par ses seuls poids.",
    alike:
      "Features de la même source dont les vecteurs de décodeur pointent presque dans la même direction : 1 est la même direction.",
    kin: "De chaque autre source, la feature au vecteur de décodeur le plus semblable. ⇄ : réciproque.",
    alternatives: "Les tokens les plus probables ici, selon les probabilités du modèle lui-même.",
    edited:
      "Une modification a changé ici l’activation de cette feature : de ce qu’elle était à ce qu’elle est devenue.",
    together:
      "Features qui se sont activées aux mêmes tokens de ce texte. La barre dit combien plus souvent que par hasard.",
  },
  TERMS: { feature: "feature", activation: "activation" },
  KNOB_TEXTS: {
    temperature: {
      label: "Température",
      brief: (value) => `température ${value}`,
      help: "La liberté de choix du modèle. 0 prend toujours le token le plus probable.",
    },
    top_k: {
      label: "Top-K",
      brief: (value) => `top-K ${value === "0" ? "désactivé" : value}`,
      help: "Choisit seulement parmi ce nombre de tokens les plus probables. 0 les garde tous.",
    },
    top_p: {
      label: "Top-P",
      brief: (value) => `top-P ${value === "1" ? "désactivé" : value}`,
      help: "Choisit parmi le moins de tokens dont les probabilités atteignent cette somme. 1 les garde tous.",
    },
    repetition_penalty: {
      label: "Pénalité de répétition",
      brief: (value) => `répétition ${value === "1" ? "libre" : value}`,
      help: "Au-dessus de 1, les tokens déjà apparus deviennent moins probables. 1 ne change rien.",
    },
    max_tokens: {
      label: "Tokens au plus",
      brief: (value) => tokens(Number(value)),
      help: "Combien de tokens le modèle peut écrire.",
    },
    feat_k: {
      label: "Features par token",
      brief: (value) => features(Number(value)),
      help: "Les features les plus fortes affichées à chaque token, pour chaque source.",
    },
    act_threshold: {
      label: "Seuil d’activation",
      brief: (value) => `au-dessus de ${value}`,
      help: "Les features à cette activation ou au-dessous ne sont pas affichées.",
    },
    seed: {
      label: "Graine",
      brief: (value) => (value === "" ? "nouvelle graine" : `graine ${value}`),
      help: "La même graine et les mêmes réglages donnent le même texte. Vide : une nouvelle à chaque fois.",
    },
  },
  PACE: {
    label: "Rythme",
    help: "La vitesse à laquelle le modèle écrit. Un modèle lent n’en devient jamais plus rapide.",
  },
  PACES: [
    { name: "aussi vite que possible" },
    { name: "10 tokens par seconde" },
    { name: "2 tokens par seconde" },
  ],
  TURNS: [
    { name: "Aucun", help: "Laisse la feature telle quelle." },
    { name: "Muette", help: "Là où la feature s’active, elle est mise à 0." },
    { name: "×2", help: "Là où la feature s’active, elle s’active deux fois plus fort." },
    { name: "×4", help: "Là où la feature s’active, elle s’active quatre fois plus fort." },
    {
      name: "Moins",
      help: "Là où la feature s’active, sa direction est retirée de l’état du modèle au lieu d’y être ajoutée.",
    },
  ],
  REACH: {
    dial: "Régler cette feature",
    replace: "En mettre une autre à sa place",
    replaceHelp:
      "Là où la feature s’active, elle est mise à 0, et une autre de cette source s’active à sa place, aussi fort.",
    find: "Une autre feature de cette source",
    nothingFound: "Aucune autre feature de cette source n’a ce label ou ce numéro.",
    full: "Un texte peut avoir huit modifications au plus. Retirez-en d’abord une.",
    onlyPresenter: "Dans cette salle, seule la personne qui présente peut modifier les features.",
    otherModel: "Le modèle présent n’a pas cette source.",
    edits: "Modifications",
    inForce: "en vigueur",
    inForceHere: "en vigueur à ce token",
    notYet: "pas encore en vigueur",
    next: "à partir de la prochaine génération",
    twin: "À côté du jumeau intact",
    twinHelp:
      "Écrit le texte deux fois avec la même graine, tel quel et avec les modifications. Ce qui diffère vient des modifications.",
    parting: "Les textes se séparent ici.",
    refused: "Pas acceptée",
    onShow: "affiché",
    choose: "Afficher ce texte dans le graphe et les listes",
    asIs: "tel quel",
    with: (edits) => `avec ${edits}`,
    silenced: (feature) => `${feature} muette`,
    minus: (feature) => `${feature} en moins`,
    times: (feature, factor) => `${feature} ×${factor}`,
    set: (feature, strength) => `${feature} mise à ${strength}`,
    added: (feature, strength) => `${feature} ${strength}`,
    inPlaceOf: (other, feature) => `${other} à la place de ${feature}`,
  },
  PRESETS: [
    { label: "Ceux du modèle", help: "Les valeurs par défaut du modèle." },
    { label: "Calme", help: "Choisit des tokens probables, avec peu de surprises." },
    {
      label: "Créatif",
      help: "Choisit plus souvent des tokens improbables, mais écarte les plus improbables.",
    },
    { label: "Sans répétition", help: "Rend moins probables les tokens déjà apparus." },
  ],
  ADVICE: {
    backend_lost:
      "Le serveur du modèle a disparu. Il revient de lui-même ; appuyez alors de nouveau sur Générer.",
    busy: "Une génération est déjà en cours. Attendez sa fin, ou appuyez sur Arrêter.",
    connection_lost:
      "La connexion s’est coupée avant l’arrivée de la demande. Appuyez de nouveau sur Générer.",
    deadline: "La génération a duré trop longtemps et a été arrêtée. Demandez moins de tokens.",
    empty_prompt: "Le prompt est vide. Écrivez quelque chose que le modèle puisse continuer.",
    foreign_origin:
      "Le serveur n’accepte pas l’adresse de cette page. Ajoutez-la à AXON_ORIGINS sur le serveur.",
    generation_failed:
      "Le modèle a échoué sur cette demande. Appuyez de nouveau sur Générer ; si cela échoue encore, changez les réglages.",
    gateway_lost:
      "Le serveur qui menait cette génération a disparu. Appuyez de nouveau sur Générer.",
    gateway_stopping: "Ce serveur redémarre. Appuyez de nouveau sur Générer dans un instant.",
    internal: "Quelque chose a échoué dans le serveur ; son journal dit quoi. Réessayez.",
    invalid_http: RELOAD,
    invalid_json: "Le serveur ne peut pas lire ce que cette page envoie. Rechargez la page.",
    labels_unavailable:
      "Les labels ne peuvent pas être consultés pour l’instant. Ils apparaîtront quand leur base sera revenue.",
    message_too_big: "C’est trop long à envoyer. Raccourcissez le prompt.",
    method_not_allowed: RELOAD,
    no_map: "Ce serveur n’a pas de carte des features.",
    no_maximum:
      "On ne connaît à cette feature aucune activation maximale pour mesurer. Donnez la force dans ses propres unités.",
    no_access: "Il faut ici un jeton d’accès. Saisissez-le dans le panneau de côté.",
    not_editable:
      "Les features de cette source ne peuvent pas être modifiées. Choisissez une autre source.",
    not_found: RELOAD,
    not_possible: "Le serveur du modèle ne sait pas faire cela.",
    not_presenter:
      "Dans cette salle, seule la personne qui présente peut générer. Ouvrez votre propre salle depuis la page d’accueil.",
    not_ready: "Le modèle n’est pas encore prêt. Réessayez dans un instant.",
    not_running: "Plus rien n’était en cours.",
    prompt_too_long: "Le prompt est trop long pour ce modèle. Raccourcissez-le.",
    queue_full: "Trop de personnes génèrent en ce moment.",
    rooms_unavailable:
      "Une partie du serveur n’est pas disponible. La salle l’attend et reprend d’elle-même.",
    too_fast: "Vous envoyez des demandes trop vite.",
    too_many_generations:
      "Vous menez autant de générations qu’une personne en a le droit. Attendez la fin d’une d’elles.",
    too_many_recordings:
      "Beaucoup d’enregistrements sont en cours de téléchargement. Réessayez dans un instant.",
    too_many_questions:
      "Beaucoup de personnes interrogent les features en ce moment. Réessayez dans un instant.",
    too_many_rooms: "Toutes les salles de ce serveur sont occupées. Réessayez dans un instant.",
    too_many_sockets:
      "Trop de pages sont connectées depuis votre adresse réseau. Fermez-en ; celle-ci continue d’essayer.",
    too_slow: "La connexion est trop lente pour envoyer cela. Réessayez.",
    unknown_feature: "Cette feature n’est plus disponible. Le modèle a peut-être changé.",
    unknown_field: RELOAD,
    unknown_host:
      "Le serveur ne connaît pas le nom dans l’adresse de cette page. Ajoutez-le à AXON_HOSTS sur le serveur.",
    unknown_model: "Ce modèle n’est plus disponible. Choisissez-en un autre.",
    unknown_room:
      "Cette salle est fermée. Demandez un nouveau lien, ou ouvrez votre propre salle depuis la page d’accueil.",
    unknown_source: "Une source choisie n’est plus disponible. Vérifiez les sources et réessayez.",
    unknown_type: RELOAD,
    unsupported_encoding: RELOAD,
  },
  KEYS: [
    ["Entrée", "dans le prompt : générer (Maj+Entrée pour une nouvelle ligne)"],
    ["/", "chercher une feature, ou filtrer"],
    ["Flèches, Début, Fin", "se déplacer dans le texte et dans chaque liste"],
    ["Flèches, Page préc., Page suiv.", "sur la frise : parcourir le texte token par token"],
    ["Flèches, + et −", "sur le graphe : le tourner, s’approcher"],
    ["Entrée ou Espace", "choisir le token ou la feature"],
    ["Échap", "annuler le choix, ou fermer ce qui est ouvert"],
    ["?", "cette liste"],
  ],
  FILTERS: [
    { does: "cache les features dont le label contient ce mot" },
    { does: "cache les labels qui répondent à l’expression, ici ceux de mots isolés" },
    {
      does: "n’affiche que les labels qui y répondent, ici là où sont les gens et les animaux",
    },
    { does: "n’affiche que les labels contenant l’un ou l’autre" },
    { does: "cache les features sans label" },
    { does: "n’affiche que les features qui ont atteint un cinquième de leur pleine force" },
    {
      does: "affiche les features actives dans moins de 1 % de tout texte, et celles jamais mesurées",
    },
  ],
  EXAMPLES: [
    { caption: "une capitale" },
    { caption: "le même fait, en question" },
    { caption: "où est le chien ?" },
    { caption: "elle a changé de lieu" },
    { caption: "qui a la clé ?" },
    { caption: "de l’un dans l’autre" },
    { caption: "une émotion et sa cause" },
    { caption: "deux personnes, deux émotions" },
    { caption: "une somme" },
    { caption: "une addition à payer" },
    { caption: "une variable qui change" },
    { caption: "les jours" },
    { caption: "une histoire" },
  ],
  BEGINNINGS: [
    { help: "mots ou /expression/ dans un label" },
    { help: "seulement ces labels" },
    { help: "20% : a atteint un cinquième de sa pleine force" },
    { help: "<1% : les rares, et celles jamais mesurées" },
  ],
  ACTIONS: {
    retry: "Essayer maintenant",
    "clear-filters": "Effacer les filtres",
    "own-room": "Ouvrir une salle",
  },
  NO_GRAPH:
    "Ce navigateur n’a pas WebGL, il n’y a donc pas de graphe. Le texte et les features marchent sans lui.",
  GRAPH_LOST:
    "Le navigateur a retiré WebGL au graphe. D’habitude il revient de lui-même ; sinon, rechargez la page. Le texte et les features continuent.",
  SAY: {
    name: "Axon",
    feature: (id) => `feature ${id}`,
    quoted,
    notShown: (reason) => `L’enregistrement ne peut pas être affiché : ${reason}.`,
    notPlayed: (file, reason) => `${file} ne peut pas être lu : ${reason}.`,
    cutOff: "Cet enregistrement a été coupé : sa fin manque. Le reste peut être lu.",
    unread: (lines) =>
      count(lines, {
        one: "# de ses lignes n’a pas pu être lue et manque.",
        other: "# de ses lignes n’ont pas pu être lues et manquent.",
      }),
    lookingForModel: "cherche le modèle",
    offline: "Cet appareil est hors ligne",
    lost: "Connexion perdue",
    silence: "Le serveur ne dit plus rien",
    broke: "La connexion s’est coupée.",
    roomGone: "La salle n’existe plus.",
    whichLabels: (kind) => `Quels labels ? Par exemple ${quoted(`${kind}: punctuation`)}.`,
    tooLong: (most) =>
      count(most, {
        one: "Ce filtre est trop long : # caractère au plus.",
        other: "Ce filtre est trop long : # caractères au plus.",
      }),
    endless: "L’expression n’a pas de fin : fermez-la par une seconde barre oblique.",
    unreadable: (why) => `L’expression ne peut pas être lue : ${why}. Rien n’a été caché.`,
    howStrong: "De quelle force au moins ? Par exemple « min: 20% ».",
    howDense: "De quelle densité ? Par exemple « density: <1% » ou « density: 0.01%-1% ».",
    noSuchFeature: "Aucune feature n’a ce label ou ce numéro.",
    hidesNothing: (filter) =>
      `${quoted(filter)} ne cache rien pour l’instant : aucun label ici n’y répond.`,
    hide: "cache les labels qui l’ont",
    keep: "n’affiche que les labels qui l’ont",
    place: (source, id, passes) => `${source} #${id}${passes ? "" : ", cachée par un filtre"}`,
    unseenPlace: (source, id) => `#${id} de ${source}, pas encore vue`,
    found: "Résultats",
    removeFilter: "Retirer ce filtre",
    removeThisFilter: (filter) => `Retirer le filtre ${filter}`,
    someSources: (shown, all) => `${shown} sources sur ${all}`,
    notANumber: "Ce n’est pas un nombre.",
    settings: "Réglages",
    defaults: "Valeurs par défaut",
    presets: "Préréglages",
    anySeed: "vide : nouvelle à chaque fois",
    atLeast: (least) => `${least} ou plus`,
    above: (least) => `au-dessus de ${least}`,
    range: (least, most) => `de ${least} à ${most}`,
    notReady: (model) => `${model} (pas prêt)`,
    allLinks: "tous les liens affichés",
    someLinks: (percent) => `liens sous ${percent} % cachés`,
    nothingShown: "Rien n’est affiché : cochez une source.",
    sourceFacts: (hook, width, architecture) => `${hook} : ${features(width)}, ${architecture}`,
    layer: (layer) => `couche ${layer}`,
    removeEdit: (edit) => `Retirer la modification ${edit}`,
    copied: "Copié",
    copiedText: (text) => `Copié : ${text}`,
    notCopied: "Pas copié",
    mayNotCopy: "Pas copié : le navigateur ne l’a pas permis.",
    room: (room) => `Salle ${room}`,
    nobody: "Personne d’autre n’est encore ici",
    others: (others) =>
      count(others, { one: "# autre personne est ici", other: "# autres personnes sont ici" }),
    code: (url) => `Code QR de ${url}`,
    pin: "Épingler",
    unpin: "Désépingler",
    copy: "Copier",
    close: "Fermer",
    closeByKey: "Fermer (Échap)",
    whereItFires: "Tokens où elle s’active",
    together: "S’active avec",
    togetherAt: (n, weight) =>
      `ensemble à ${tokens(n)} ; poids du lien ${weight} (combien plus souvent que par hasard)`,
    neuronpedia: "Ouvrir dans Neuronpedia",
    nothingMore: "On n’en sait pas plus sur cette feature pour l’instant.",
    noPromoted: (why) =>
      `Les tokens qu’elle favorise ne sont pas disponibles pour l’instant${why === null ? "" : ` : ${why}`}`,
    none: "aucune",
    highest: (most, before) =>
      `(${before === null ? "" : `modifiée : d’elle-même ${before} ; `}plus haute connue ${most})`,
    silent: "muette",
    activation: (activation) => `activation ${activation}`,
    facts: {
      peak: "Maximum",
      fired: "Active à",
      layer: "Couche",
      density: "Densité",
      explainer: "Label par",
      score: "Note du label",
    },
    seenHere: "vue ici",
    hereOfKnown: (known) => `ici, ${known} connue`,
    ofTokens: (n) => `sur ${tokens(n)}`,
    ofAllTokens: "de tous les tokens",
    ofOne: "sur 1",
    promotesBy: (logit) => `Tokens que la feature rend plus probables ensuite : ${logit}`,
    suppressesBy: (logit) => `Tokens que la feature rend moins probables ensuite : ${logit}`,
    cosine: (cosine, mutual) => `cosinus ${cosine}${mutual ? ", réciproque" : ""}`,
    promotes: "Favorise",
    suppresses: "Freine",
    alike: "Semblables par leurs poids",
    strongest: (token) =>
      token === null ? "Les plus fortes" : `Les plus fortes à ${quoted(token)}`,
    row: (feature, edited, activation, peak) =>
      `${feature} : ${edited}activation ${activation}, la plus haute ici ${peak}`,
    editedFrom: (before, now) => `modifiée de ${before} à ${now} ; `,
    pinned: (feature, peak) => `${feature} : épinglée, la plus haute ici ${peak}`,
    start: "début",
    startTip: "Le signe avant le texte. Ses features sont aberrantes et sont laissées de côté. ",
    blanks: { "↵": "fin de ligne", "⇥": "tabulation" },
    noText: "aucun texte visible",
    position: "position",
    id: "id",
    probability: "probabilité",
    log: (probability, log) => `${probability} (log ${log})`,
    fromThe: "vient du",
    prompt: "prompt",
    missed: "manqué",
    edited: "modifiée",
    span: (least, most) => `${least} à ${most}`,
    came: "C’est celui qui est venu",
    likeliest: "les plus probables ici",
    likeliestTokens: "Tokens les plus probables ici",
    tiny: "moins de 1 %",
    play: "Lire",
    pause: "Pause",
    end: "Fin",
    live: "Direct",
    toEnd: "À la fin de l’enregistrement",
    toNewest: "Retour au token le plus récent",
    generation: (run, runs) => `Génération ${run} sur ${runs}`,
    token: (place, all) => `token ${place} sur ${all}`,
    empty: "vide",
  },
  STATUS: {
    unreachable: "Le serveur ne répond pas. La page continue d’essayer.",
    unreachableOwn: "Le serveur ne répond pas. Est-il lancé ? La page continue d’essayer.",
    tryingAgain: (reason, seconds) => `${reason}. Nouvel essai dans ${seconds} s.`,
    reconnectingIn: (reason, seconds) => `${reason}. Reconnexion dans ${seconds} s.`,
    insteadOf: (wanted, there) =>
      `Ce serveur n’a pas de modèle ${wanted}. Générer utilise ${there} à la place.`,
    pressGenerate: "Appuyez sur Générer pour lancer le modèle.",
    waitForPresenter: "En attente du début de la présentation.",
    modelGone: "Le modèle n’est pas là ; la page l’attend",
    notReady: "Le modèle n’est pas encore prêt",
    detail: (state, detail) => `${state} : ${detail}`,
    ready: "Prêt.",
    sent: "Envoyé.",
    next: "C’est bientôt à vous.",
    ahead: (requests) =>
      count(requests, {
        one: "En attente : # demande avant vous.",
        other: "En attente : # demandes avant vous.",
      }),
    generating: "Génération",
    token: (made) => ` : token ${made}`,
    tokenOf: (made, most) => ` : token ${made} sur ${most} au plus`,
    stopped: (n) => `Arrêté après ${tokens(n)}. Choisissez-en un pour le regarder.`,
    finished: (n) => `Terminé : ${tokens(n)}. Choisissez-en un pour le regarder.`,
    finishedIn: (n, seconds) =>
      `Terminé : ${tokens(n)} en ${seconds} s. Choisissez-en un pour le regarder.`,
    underTenth: "moins de 0,1",
    endedEarly: "La génération s’est arrêtée trop tôt. Réessayez.",
    seePrompt: "Pas envoyé : voyez la note au prompt.",
    seeEdits: "Pas envoyé : voyez la note aux modifications.",
    seeSetting: "Pas envoyé : voyez la note au réglage ci-dessous.",
    againIn: (advice, seconds) => `${advice} Réessayez dans ${seconds} s.`,
    againInMinutes: (advice, minutes) =>
      `${advice} Réessayez dans ${count(minutes, { one: "# minute", other: "# minutes" })}.`,
    connected: "connecté",
    reconnecting: "reconnexion",
    connecting: "connexion",
    notConnected: "non connecté",
    youPresent: "vous présentez",
    youWatch: "vous regardez",
    watching: (viewers) => count(viewers, { one: "# regarde", other: "# regardent" }),
    filtersHideAll: "Vos filtres cachent toutes les features.",
    presenterLeft:
      "La personne qui présente est partie. La salle reste ; elle reprend à son retour.",
    recording: "Enregistrement d’une exécution antérieure",
    recordingOf: (model) => `Enregistrement d’une exécution antérieure de ${model}`,
  },
  WHY: {
    ask: "Pourquoi ce mot ?",
    askHelp:
      "Mesure quelles features plaident pour ce token : chacune est rendue muette, et le modèle tourne de nouveau",
    title: "Pourquoi ce mot",
    rather: "plutôt que",
    asking: "Rend muette une feature après l’autre …",
    live: "Mesuré pendant l’écriture du texte.",
    missed:
      "Le temps a manqué pour mesurer, pendant l’écriture du texte, pourquoi ce mot est venu.",
    method:
      "Chaque ligne est mesurée : le modèle a tourné de nouveau avec cette feature muette. Les chiffres sont la probabilité du mot telle qu’elle était, et sans la feature. La barre est le changement de sa log-probabilité.",
    everywhere: "à toutes les positions",
    speaksFor: "plaide pour",
    speaksAgainst: "plaide contre",
    next: "Sans elle, celles-ci perdent de l’activation dans",
    nothingNext: "Aucune feature de la source suivante ne perd d’activation sans elle.",
    last: "Aucune source au-dessus de celle-ci : elle agit directement sur le mot.",
    untried: "pas essayée",
    silence: "La rendre muette et voir",
    silenced: "Muette à partir de la prochaine génération. Appuyez sur Générer.",
    more: (n) => `En essayer ${n}`,
    graph: "Enregistrer comme graphe (JSON)",
    graphHelp: "Les causes et les chemins dépliés, au format de graphe de circuit-tracer",
    order: "Ordre",
    orders: { logprob: "selon le mot", logit: "selon le mot plutôt que l’autre" },
    causes: "Causes, les plus fortes d’abord",
    close: "Fermer",
    lost: "La réponse s’est interrompue",
    early: "la réponse s’est arrêtée trop tôt",
    unreachable: "le serveur est injoignable",
    kin: "Parentes dans d’autres couches",
    closeHelp: "Fermer (Échap)",
    tiny: "moins de 0,0001 %",
    measured: (speaks, odds, logprob, logit) =>
      `${speaks} : ${odds}, log-probabilité ${logprob}, logit moins celui de l’autre ${logit}`,
    often: (times, n) => `s’active à ${times} sur ${tokens(n)}`,
    atToken: (token) => `à ${quoted(token)}`,
    atPosition: (position) => `à la position ${position}`,
    every: "Causes de chaque mot",
    everyHelp:
      "Mesure ce qui plaide pour chaque mot pendant l’écriture du texte, autant que le temps le permet. Toute la salle le voit.",
    examples: "Meilleurs exemples",
    examplesHelp:
      "Textes où la feature s’active le plus fort, tels que le serveur du modèle les a. Plus un token est foncé, plus elle s’y active ; le chiffre est sa plus haute activation.",
    noneActive: "Aucune feature n’est active avant ce mot.",
    allTried: (active) =>
      count(active, {
        one: "La # feature active a été essayée.",
        other: "Les # features actives ont toutes été essayées, une à la fois.",
      }),
    someTried: (tried, active) =>
      `${tried} features actives essayées sur ${active}, celles au plus grand gradient.`,
    agreement: (r, share) =>
      `Gradient et retrait s’accordent à r = ${r}, et sur ${share} des 5 plus fortes.`,
    nothingSpeaks: "Rien de ce qui a été essayé ne plaide pour lui.",
    weak: (change) =>
      `Rien dans ce texte ne plaide fortement pour lui : le retrait le plus fort baisse sa log-probabilité de ${change}.`,
    lessThan: (change) => `moins de ${change}`,
  },
  PAGE: {
    side: { label: "Commandes" },
    "model-choice": { label: "Modèle" },
    "prompt-label": { text: "Prompt" },
    generate: { text: "Générer" },
    stop: { text: "Arrêter" },
    loading: { label: "Téléchargement" },
    examples: { label: "Exemples" },
    "examples-try": { text: "Essayez" },
    "sources-title": {
      text: "Sources",
      title:
        "Une source est un autoencodeur parcimonieux : il décompose l’état d’une couche en features nommées.",
    },
    "access-label": { text: "Jeton d’accès" },
    "access-enter": { text: "Entrer" },
    "forget-access": {
      text: "Se déconnecter",
      title: "Oublier le jeton d’accès et les salles de ce navigateur",
    },
    "language-label": { text: "Langue" },
    find: { label: "Chercher", placeholder: "Chercher une feature, ou hide: …" },
    hits: { label: "Résultats" },
    room: { title: "Lien vers cette salle : qui l’ouvre peut regarder" },
    "open-choice": { text: "Ouverte à tous" },
    follow: {
      text: "Suivre la présentation",
      title:
        "Regarder là où regarde la présentation, jusqu’à ce que vous bougiez l’image ou choisissiez quelque chose",
    },
    share: { text: "Partager", title: "Le lien de la salle, et un code QR" },
    export: {
      text: "Exporter",
      title:
        "Enregistrer un enregistrement, les activations ou une image, ou copier un lien vers cette exécution",
    },
    "open-recording": { text: "Enregistrement", title: "Lire un enregistrement depuis un fichier" },
    "recording-file": { label: "Enregistrement" },
    help: { label: "Touches et filtres", title: "Touches et filtres" },
    chips: { label: "Filtres" },
    stage: { label: "Graphe" },
    "link-choice": {
      text: "Cacher les liens faibles",
      title:
        "Un lien joint deux features qui s’activent ensemble plus souvent que par hasard. Vers la droite, les liens plus faibles sont cachés.",
    },
    fit: { text: "Ajuster", title: "Afficher tout le graphe sans le tourner" },
    reset: { text: "Réinitialiser", title: "Retour à la première vue, sans rien de choisi" },
    why: { label: "Pourquoi ce mot" },
    playback: { label: "Lecture" },
    "dismiss-recording-note": { text: "Masquer" },
    play: { text: "Lire", title: "Parcourir le texte token par token" },
    "step-back": { label: "Un pas en arrière", title: "Un token en arrière" },
    "step-forward": { label: "Un pas en avant", title: "Un token en avant" },
    strip: { label: "Frise" },
    speed: { label: "Vitesse", title: "Vitesse de lecture" },
    "all-at-once": { text: "Tout d’un coup" },
    live: { text: "Direct" },
    "previous-run": { label: "Génération précédente" },
    "next-run": { label: "Génération suivante" },
    "back-to-room": {
      text: "Retour à la salle",
      title: "Fermer cet enregistrement et afficher ce que la salle a diffusé",
    },
    band: { label: "Texte et features" },
    "text-title": { text: "Texte" },
    "pinned-title": { text: "Épinglées" },
    "strongest-title": { text: "Les plus fortes" },
    inspector: { label: "Feature choisie" },
    "drop-words": { text: "Déposez l’enregistrement ici pour le lire" },
    "export-menu": { label: "Exporter" },
    "export-recording": {
      text: "Enregistrement de cette salle (JSONL)",
      title:
        "Toutes les trames de cette salle avec leurs heures ; cette page peut relire le fichier",
    },
    "export-shown": {
      text: "Activations qui passent les filtres (JSONL)",
      title: "Une ligne par token, avec les features qui passent les filtres",
    },
    "export-all": {
      text: "Toutes les activations (JSONL)",
      title: "Une ligne par token, avec toutes ses features",
    },
    "export-picture": {
      text: "Image du graphe (PNG)",
      title: "Le graphe tel qu’il est maintenant",
    },
    "export-link": {
      text: "Copier le lien vers cette exécution",
      title: "Un lien qui remplit le prompt, les réglages et la graine ; l’ouvrir ne lance rien",
    },
    "share-title": { text: "Regardez avec nous" },
    "share-copy": { text: "Copier le lien" },
    "share-close": { text: "Fermer" },
    "footprint-close": { text: "Fermer" },
    "help-world-title": { text: "Ce que ce modèle connaît" },
    "help-world-text": {
      text: "Le modèle fourni a été entraîné sur des textes anglais d’un petit monde : des gens et des animaux dans des lieux, des objets dans des mains et des boîtes, des émotions, un marché, des sommes, des jours et le temps qu’il fait, des pays, de tout petits programmes.",
    },
    "help-title": { text: "Touches" },
    "help-turns-title": { text: "Le réglage d’une feature choisie" },
    "help-filters-title": { text: "Filtres, à saisir dans Chercher" },
    "help-close": { text: "Fermer" },
  },
  OTHER_WEIGHTS: "elle appartient à d’autres poids",
  NO_MAP: "La carte de toutes les features n’est pas arrivée.",
  mapRefused: (reason) =>
    `La carte de toutes les features ne peut pas être lue : ${reason}. Les places sont trouvées dans ce navigateur.`,
  mapMaking: (stage, done) =>
    `Une carte de toutes les features est en cours : ${stage}, ${Math.round(100 * done)} %.`,
  nearness: (recall) => {
    const ten = figure(10 * recall, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    return `La hauteur est la couche. Proche veut dire semblable par les poids : des dix plus semblables d’une feature, ${ten} sont parmi ses dix plus proches. Loin ne dit rien.`;
  },
  MAP: {
    title: "La carte",
    flat: "À plat",
    flatHelp: "Regarde la carte d’en haut, tous les étages repliés en un plan",
    alike: "Features semblables",
    alikeHelp: "Nomme les features de cet étage les plus proches, sur la carte, de celle choisie",
    provisional: "nommé d’après des tokens que ses features favorisent, faute de labels",
    silent: "Rien ici ne s’active à ce token.",
    now: "Les plus fortes maintenant",
  },
  districtFacts: features,
  storeyName: (layer) => `couche ${layer}`,
  THEME: {
    light: "Clair",
    lightHelp: "Couleurs claires, pour une salle lumineuse",
    dark: "Sombre",
    darkHelp: "Couleurs sombres, pour une salle obscure",
  },
  FOOTPRINT: {
    open: "Empreinte",
    help: "Où ce texte a éclairé la carte, en image, à côté d’un texte antérieur",
    title: "Empreinte de ce texte",
    means:
      "La carte vue d’en haut, toutes les couches ensemble. Plus un lieu est clair, plus ses features se sont activées fort et souvent ; le lieu le plus clair de chaque texte est au maximum. Ce texte est chaud, l’autre froid, et là où sont les deux la lumière s’ajoute.",
    over: "Superposer",
    nothing: "rien",
    save: "Enregistrer l’image",
    said: (one, other) =>
      `Où, sur la carte, le texte ${quoted(one)} a éclairé${other === null ? "" : `, et le texte ${quoted(other)}`}`,
  },
  footprintSource: (model, hash) =>
    `Axon, ${model}, carte ${hash}. Place : ressemblance des lignes de décodeur des features. Lumière : somme des activations, chacune en proportion de la pleine force de sa feature.`,
};

export default words;
