import { type CapacityPorts, type CapacityState, setCapacity, showCapacity } from "../../artifact/capacity.ts";
import { Api, type ApiPorts } from "../api.ts";
import { capacityBody, capacitySettings } from "../capacity-body.ts";
import { capacityShape, capacityView } from "../capacity-view.ts";
import type { DescribedRoutes } from "../described-routes.ts";
import { revisionsOf, revisionTag } from "../entity-tag.ts";

export interface CapacityRoutePorts extends CapacityPorts, ApiPorts {}

const tags = ["capacity"];

/** `/v1/capacity`: the limits of the deployment, and what they are used for. */
export function capacityRoutes(ports: CapacityRoutePorts): DescribedRoutes {
  const show = {
    summary: "Limits, and use by class, project, origin and replica",
    tags,
    roles: ["admin", "auditor"],
    responses: { 200: capacityShape },
  } as const;
  const set = {
    summary: "Replaces the limits; they hold on every replica within a second",
    description:
      "What is null or left out is as the configuration says. Content over a limit that was lowered is evicted in the background.",
    tags,
    roles: ["admin"],
    ifMatch: "required",
    body: capacityBody,
    responses: { 200: capacityShape },
    errors: ["invalid-input"],
  } as const;
  return new Api(ports)
    .get("/v1/capacity", show, async ({ principal }) => answer(await showCapacity(ports, principal)))
    .put("/v1/capacity", set, async ({ principal, body, ifMatch }) =>
      answer(await setCapacity(ports, principal, capacitySettings(body), revisionsOf(ifMatch))),
    ).routes;
}

function answer(state: CapacityState) {
  return { status: 200, headers: { ETag: revisionTag(state.record.revision) }, body: capacityView(state) } as const;
}
