// Ready, and gone at the first question.
import { exit } from "node:process";
import { parentPort } from "node:worker_threads";

parentPort?.on("message", () => exit(3));
parentPort?.postMessage({ kind: "ready" });
