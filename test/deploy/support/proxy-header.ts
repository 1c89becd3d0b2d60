import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";

/** A PROXY protocol header of version 2: the connection is said to come from this IPv4 address. */
export function proxyHeader(client: string): Buffer {
  const addresses = [...client.split(".").map(Number), 127, 0, 0, 1, 0x30, 0x39, 0x00, 0x50];
  return Buffer.concat([Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1"), Buffer.from([0x21, 0x11, 0, 12, ...addresses])]);
}

/** The status that a GET gets which begins with the header; undefined when the connection ends without one. */
export async function statusBehind(
  header: Buffer,
  from: string,
  port: number,
  path: string,
): Promise<number | undefined> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: from });
  await once(socket, "connect");
  socket.write(
    Buffer.concat([header, Buffer.from(`GET ${path} HTTP/1.1\r\nHost: cistern\r\nConnection: close\r\n\r\n`)]),
  );
  const answer = await text(socket).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ECONNRESET") throw error;
    return "";
  });
  const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(answer) ?? [];
  return status === undefined ? undefined : Number(status);
}
