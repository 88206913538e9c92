// Package and model are part of the extension: it may load nothing from elsewhere.
import { Flamingo } from "./flamingo-web/dist/index.js";

const [input, output] = document.querySelectorAll("input, output");
const model = await Flamingo.load("models/flamingo-smollm2-135m/model.json");
const session = model.session();
input.onchange = async () => {
  output.replaceChildren();
  for await (const { text } of session.caption(input.files[0])) output.append(text);
};
input.disabled = false;
