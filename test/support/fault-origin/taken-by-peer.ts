import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Waits until the peer's kernel has acknowledged all that was written (a reset throws away what it
 * has not), or the connection ends. Linux tells; elsewhere, and after a second with a peer that
 * does not read, it is left at that.
 */
export async function takenByPeer(socket: Socket): Promise<void> {
  const port = hex(socket.localPort ?? 0);
  const remote = hex(socket.remotePort ?? 0);
  const table = socket.remoteFamily === "IPv6" ? "/proc/net/tcp6" : "/proc/net/tcp";
  for (let tries = 0; tries < 500 && !socket.destroyed; tries++) {
    const unsent = await unacknowledged(table, port, remote);
    if (unsent === undefined || unsent === 0) return;
    await sleep(2);
  }
}

async function unacknowledged(table: string, port: string, remote: string): Promise<number | undefined> {
  let text: string;
  try {
    text = await readFile(table, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  for (const line of text.split("\n")) {
    const [, local, peer, , queues] = line.trim().split(/\s+/);
    if (local?.endsWith(port) && peer?.endsWith(remote)) return Number.parseInt(queues?.split(":")[0] ?? "0", 16);
  }
  return undefined;
}

function hex(port: number): string {
  return `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}
