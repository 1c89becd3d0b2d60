// Ready, hears everything and answers nothing but the end.
import { parentPort } from "node:worker_threads";

parentPort?.on("message", (message) => {
  if (message.kind === "close") parentPort?.close();
});
parentPort?.postMessage({ kind: "ready" });
