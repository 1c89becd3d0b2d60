import { WorkerHasher } from "../../../src/store/hasher/worker-hasher.ts";
import { hasherConformance } from "../../conformance/hasher.ts";

hasherConformance("a worker per digest", () => new WorkerHasher());
