import { defineConfig } from "vite";

export default defineConfig({
  // The package's Worker is a module.
  worker: { format: "es" },
  // It is found beside the package's scripts, from which Vite would move them in development.
  optimizeDeps: { exclude: ["flamingo-web"] },
  // The rest is for this folder: several pages, on any sub-path.
  base: "./",
  build: {
    rolldownOptions: {
      input: [
        "embed.html",
        "element.html",
        "folder.html",
        "camera.html",
        "ask.html",
        "choose.html",
        "react.html",
      ],
    },
  },
});
