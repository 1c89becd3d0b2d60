import { spawn } from "node:child_process";
import { once } from "node:events";
import { startEmbedded } from "../../support/embedded-app.ts";

/**
 * A real server and schemathesis beside it. To be run where nothing but the loopback is reached: the
 * server asks whatever origins it is told of. Arguments: the role of who asks, the program, what it is told.
 */
const [role = "admin", program = "schemathesis", ...more] = process.argv.slice(2);
await using cistern = await startEmbedded({ env: { CISTERN_CONNECT_TIMEOUT: "PT1S" } });
const token = role === "admin" ? cistern.adminToken : await cistern.token("blue", [role]);
const [before, after] = [more.slice(0, 2), more.slice(2)];
const args = [...before, "run", `${cistern.url}/openapi.json`, "--header", `X-Auth-Token: ${token}`, ...after];
const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
const [code] = await once(child, "exit");
process.exitCode = typeof code === "number" ? code : 1;
