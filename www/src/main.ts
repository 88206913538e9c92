import { App } from "./app.js";
import { filesOf } from "./photo.js";
import { readSettings } from "./settings.js";

const root = document.getElementById("app");
if (root !== null) {
  const app = new App(root, readSettings(new URLSearchParams(location.search)));

  addEventListener("paste", ({ clipboardData }) => {
    const [file] = filesOf(clipboardData);
    if (file !== undefined) app.choosePhoto(file);
  });
  // A picture that misses its place must not replace the page.
  for (const type of ["dragover", "drop"]) {
    addEventListener(type, (event) => event.preventDefault());
  }
}
