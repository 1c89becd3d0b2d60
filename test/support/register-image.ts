/** Where and as whom to register: a running Cistern. */
export interface Registrar {
  readonly url: string;
  readonly adminToken: string;
}

/** What the record says of the bytes behind the URL. */
export interface ExternalBlob {
  readonly url: string;
  readonly md5?: string;
  readonly sha256?: string;
  readonly sha512?: string;
  readonly size?: number;
}

export interface RegisteredImage {
  readonly id: string;
  /** URL of the bytes, through Cistern. */
  readonly url: string;
}

const LOCATION_TYPE = "application/vnd+openstack.glare-custom-location+json";

/** Creates an image, sets its external location and activates it, as a client of the artifact API does. */
export async function registerImage(
  cistern: Registrar,
  name: string,
  blob: ExternalBlob,
  mirrors: Readonly<Record<string, ExternalBlob>> = {},
): Promise<RegisteredImage> {
  const images = `${cistern.url}/artifacts/images`;
  const created = await call(cistern, "POST", images, "application/json", {
    name,
    container_format: "bare",
    disk_format: "raw",
  });
  const id = idOf(created);
  await call(cistern, "PUT", `${images}/${id}/image`, LOCATION_TYPE, blob);
  for (const [key, mirror] of Object.entries(mirrors)) {
    await call(cistern, "PUT", `${images}/${id}/mirrors/${key}`, LOCATION_TYPE, mirror);
  }
  await call(cistern, "PATCH", `${images}/${id}`, "application/json-patch+json", [
    { op: "replace", path: "/status", value: "active" },
  ]);
  return { id, url: `${images}/${id}/image` };
}

function idOf(artifact: unknown): string {
  if (typeof artifact === "object" && artifact !== null && "id" in artifact && typeof artifact.id === "string") {
    return artifact.id;
  }
  throw new Error(`no id in ${JSON.stringify(artifact)}`);
}

async function call(cistern: Registrar, method: string, url: string, type: string, body: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method,
    headers: { "Content-Type": type, "X-Auth-Token": cistern.adminToken },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
