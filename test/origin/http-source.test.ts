import { ORIGIN_DEFAULTS } from "../../src/origin/options.ts";
import { sourceConformance } from "../conformance/source.ts";
import { openSource } from "./open-source.ts";

const quick = { ...ORIGIN_DEFAULTS.timeouts, connectMs: 1_000, headersMs: 600, stallMs: 600 };

sourceConformance("HttpSource", () => openSource({ timeouts: quick }));
