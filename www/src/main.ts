import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/shell.css";
import { ModelHolder } from "./model/model-holder.js";
import { PageUpdates } from "./offline/page-updates.js";
import { readSettings } from "./settings.js";
import { AppShell } from "./shell/app-shell.js";
import { allowOwnScripts } from "./trusted-types.js";

allowOwnScripts();

const { model, device } = readSettings(new URLSearchParams(location.search));
const holder = new ModelHolder(model, device);
const updates = new PageUpdates(document.baseURI);
document.getElementById("app")?.replaceWith(new AppShell(holder, updates));
const loaded = holder.load();
// The service worker fetches the files of all views, which may wait for the model; not so where only
// it can isolate the page. The development server has none.
if (import.meta.env.PROD) {
  void (crossOriginIsolated ? loaded : Promise.resolve()).then(() => updates.start());
  holder.subscribe(() => {
    if (holder.model !== undefined) void updates.keep(holder.state.modules);
  });
}

// A picture that misses its place must not replace the page.
for (const type of ["dragover", "drop"]) {
  addEventListener(type, (event) => event.preventDefault());
}
