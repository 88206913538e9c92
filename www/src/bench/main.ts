import "../styles/tokens.css";
import "../styles/base.css";
import "../styles/parts.css";
import "./bench.css";
import { allowOwnScripts } from "../trusted-types.js";
import { BenchPage } from "./bench-page.js";
import { readPlan } from "./plan.js";

allowOwnScripts();

const root = document.getElementById("app");
if (root !== null) new BenchPage(root, readPlan(new URLSearchParams(location.search)));
