import { BenchPage } from "./bench-page.js";
import { readPlan } from "./plan.js";

const root = document.getElementById("app");
if (root !== null) new BenchPage(root, readPlan(new URLSearchParams(location.search)));
