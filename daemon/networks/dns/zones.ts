/** Zones as the DNS server serves them: read from the database at each question. */
import type { Database } from "#daemon/db/db.ts";
import { listNetworks } from "#daemon/db/networks.ts";
import { listRecords, listZones } from "#daemon/db/network_zones.ts";
import { leasesOf } from "#daemon/networks/leases.ts";
import { listOf } from "#base/list.ts";
import type { NetworkService } from "#daemon/networks/create.ts";
import type { ServedZone } from "./server.ts";
import { ZONE_KEYS_OF_NETWORKS } from "./zone_keys.ts";
import { zoneRecords } from "./zone_records.ts";

export interface ZoneDeps {
  readonly db: Database;
  readonly networks: Pick<NetworkService, "directory" | "nicsOn">;
}

/** undefined: we don't serve a zone of that name (in lower case). */
export function createZones({ db, networks }: ZoneDeps) {
  return async (name: string): Promise<ServedZone | undefined> => {
    const found = await db.read(async (tx) => {
      const zone = (await listZones(tx)).find((one) => one.name.toLowerCase() === name);
      if (zone === undefined) return undefined;
      const users = (await listNetworks(tx)).filter(({ config }) =>
        ZONE_KEYS_OF_NETWORKS.some((key) => listOf(config[key]).includes(zone.name))
      );
      return { zone, users, records: await listRecords(tx, zone.id) };
    });
    if (found === undefined) return undefined;
    const { zone, users, records } = found;
    const used = await Promise.all(users.map(async (network) => ({
      config: network.config,
      leases: await leasesOf(network, {
        directory: networks.directory(network.name),
        nics: await networks.nicsOn(network),
      }),
    })));
    const serial = Math.floor(Date.now() / 1000);
    return {
      name: zone.name,
      config: zone.config,
      records: zoneRecords({ ...zone, records, networks: used, serial }),
    };
  };
}
