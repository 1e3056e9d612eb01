import "@fontsource-variable/source-sans-3";
import "./styles/page.css";
import "./styles/panels.css";
import "./styles/graph.css";
import "./styles/map.css";
import "./styles/playback.css";
import "./styles/inspector.css";
import "./styles/rooms.css";
import "./styles/reach.css";
import "./styles/why.css";
import "./styles/matrix.css";
import "./styles/stage.css";
import "./styles/hall.css";
import "./styles/bar.css";
import { openPage } from "./app";
import { openLanguage } from "./ui/language";

void openLanguage().then(openPage);
